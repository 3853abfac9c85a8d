-- A courier claims due messages; a claim that lapsed is taken over.
-- KEYS: outbox, claimed   ARGV: how many, claim ms
-- Returns message, due, ... ; a message that another courier holds is left where it is.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, message in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', KEYS[1], 'LT', now, message)
  redis.call('ZREM', KEYS[2], message)
end
for _, message in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  if #taken >= tonumber(ARGV[1]) then break end
  if not redis.call('ZSCORE', KEYS[2], message) then
    redis.call('ZREM', KEYS[1], message)
    redis.call('ZADD', KEYS[2], now + ARGV[2], message)
    taken[#taken + 1] = message
  end
end
return taken
