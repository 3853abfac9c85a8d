-- One more command of a person in a channel, within what policy allows a minute: all buckets give a token, or none.
-- KEYS: dedupe, bucket...   ARGV: tokens per minute of each bucket
-- Returns {bucket that is empty, milliseconds until it has a token}, or {0, 0}. A command delivered again costs nothing.
if redis.call('EXISTS', KEYS[1]) == 1 then return {0, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = {}
for i = 2, #KEYS do
  local most = tonumber(ARGV[i - 1])
  local tokens, at = unpack(redis.call('HMGET', KEYS[i], 'tokens', 'at'))
  tokens = math.min(most, (tonumber(tokens) or most) + (now - (tonumber(at) or now)) * most / 60000)
  if tokens < 1 then return {i - 1, math.ceil((1 - tokens) * 60000 / most)} end
  left[i] = tokens - 1
end
for i = 2, #KEYS do
  redis.call('HSET', KEYS[i], 'tokens', tostring(left[i]), 'at', now)
  redis.call('PEXPIRE', KEYS[i], 120000)
end
return {0, 0}
