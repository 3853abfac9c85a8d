-- The attempt that owns the request goes on for another lease.
-- KEYS: request, open   ARGV: id, owner, lease ms
-- Returns 1 (renewed), 2 (renewed, and a person asked to cancel), or 0 when another attempt owns it or it has ended.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, owner, cancel = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner', 'cancel'))
if state ~= 'running' or owner ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'lease_until', now + ARGV[3])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
if cancel then return 2 end
return 1
