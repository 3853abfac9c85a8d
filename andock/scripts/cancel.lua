-- A person asks to cancel a request; whoever works on it stops, and its message says who asked. The first one counts.
-- KEYS: request, outbox   ARGV: by, message or ''
-- Returns 1, or 0 when there is no such request or it has ended.
local time = redis.call('TIME')
local sealed, result = unpack(redis.call('HMGET', KEYS[1], 'sealed', 'result'))
if not sealed or result then return 0 end
redis.call('HSETNX', KEYS[1], 'cancel', ARGV[1])
if ARGV[2] ~= '' then
  redis.call('ZADD', KEYS[2], 'NX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[2])
  redis.call('PUBLISH', KEYS[2], '')
end
return 1
