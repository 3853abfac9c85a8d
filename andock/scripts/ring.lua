-- A new attempt of a request that nobody is working on.
-- KEYS: request, open   ARGV: id, look-again ms, states that may be rung for, comma-separated
-- Returns the new attempt's number, or 0. A running request is rung for only when its lease has lapsed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, lease = unpack(redis.call('HMGET', KEYS[1], 'state', 'lease_until'))
if not state or not string.find(',' .. ARGV[3] .. ',', ',' .. state .. ',', 1, true) then return 0 end
if state == 'running' and tonumber(lease or '0') > now then return 0 end
redis.call('HSET', KEYS[1], 'state', 'accepted')
-- when it was last worked on; a second ring for the same interruption does not make it younger
if state == 'running' then redis.call('HSET', KEYS[1], 'seen', lease or now)
elseif state ~= 'accepted' then redis.call('HSET', KEYS[1], 'seen', now) end
redis.call('HDEL', KEYS[1], 'owner', 'lease_until', 'holder')
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'attempt', 1)
