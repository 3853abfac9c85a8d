-- A signed value in the place of the one that was seen there, or nothing; it goes by itself at its end.
-- KEYS: value, index, waiters, open   ARGV: name, value seen or '', new value or '', its end in ms
-- Returns 1, or 0 when something else stands there by now. Whoever waited for the old value looks again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- MGET, because what somebody put there may be no string
if (redis.call('MGET', KEYS[1])[1] or '') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
if last[2] then redis.call('PEXPIREAT', KEYS[2], last[2]) end
if ARGV[2] ~= '' then
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('ZADD', KEYS[4], 'XX', now, id) end
  redis.call('DEL', KEYS[3])
end
return 1
