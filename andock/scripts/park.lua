-- The owning attempt lets go of the request until something happens: a Go ahead, a freed target, a resume.
-- KEYS: request, open, outbox, waiters, released   ARGV: id, owner, state, look-again ms, number of messages, message..., field, value, ...
-- Returns 1, or 0 when another attempt owns the request.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, owner, leases = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner', 'leases'))
if state ~= 'running' or owner ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[3])
local messages = tonumber(ARGV[5])
for i = 6 + messages, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HDEL', KEYS[1], 'owner', 'lease_until')
-- what waits to be settled keeps its targets, for a task may still run there; so does what was stopped halfway
if leases and ARGV[3] ~= 'accepted' and ARGV[3] ~= 'paused' then
  for _, key in ipairs(cjson.decode(leases)) do redis.call('HDEL', key, ARGV[1]) end
  redis.call('HDEL', KEYS[1], 'leases')
  redis.call('SET', KEYS[5], ARGV[1] .. ' ' .. now, 'EX', 86400)
end
redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
if ARGV[3] == 'waiting' then
  redis.call('SADD', KEYS[4], ARGV[1])
  redis.call('EXPIRE', KEYS[4], 86400)
end
for i = 6, 5 + messages do redis.call('ZADD', KEYS[3], now, ARGV[i]) end
if messages > 0 then redis.call('PUBLISH', KEYS[3], '') end
return 1
