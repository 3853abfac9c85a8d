-- One attempt takes the request's lease.
-- KEYS: request, open   ARGV: id, owner, lease ms, attempt rung for
-- Returns the attempt's number, or 0 when there is nothing to do. A lost reply is found again by the owner token.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, owner, attempt = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner', 'attempt'))
if state == 'running' and owner == ARGV[2] then return tonumber(attempt) end
if state ~= 'accepted' or tonumber(ARGV[4]) > tonumber(attempt) then return 0 end
redis.call('HSET', KEYS[1], 'state', 'running', 'owner', ARGV[2], 'lease_until', now + ARGV[3])
redis.call('HDEL', KEYS[1], 'holder')
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return tonumber(attempt)
