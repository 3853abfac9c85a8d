-- The end of a request, written once: result, state, freed targets and the message that is due.
-- KEYS: request, open, outbox, waiters, audit, released
-- ARGV: id, owner or '', states (without owner), state, result, retention s, sealed record, sealed record of the decision or '',
-- message...
-- Returns 1, or 0 when it is not the caller's to end. The owner that hears 0 after a lost reply finds its own result.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, owner, leases, result, lease = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner', 'leases', 'result', 'lease_until'))
if result then return (ARGV[2] ~= '' and owner == ARGV[2]) and 1 or 0 end
if ARGV[2] ~= '' then
  if state ~= 'running' or owner ~= ARGV[2] then return 0 end
elseif not state or not string.find(',' .. ARGV[3] .. ',', ',' .. state .. ',', 1, true) then
  return 0
elseif state == 'running' and tonumber(lease or '0') > now then
  return 0
end
redis.call('HSET', KEYS[1], 'state', ARGV[4], 'result', ARGV[5], 'ended', now)
if ARGV[8] ~= '' then redis.call('XADD', KEYS[5], '*', 'sealed', ARGV[8]) end
redis.call('XADD', KEYS[5], '*', 'sealed', ARGV[7])
redis.call('HDEL', KEYS[1], 'lease_until', 'holder')
if leases then
  for _, key in ipairs(cjson.decode(leases)) do redis.call('HDEL', key, ARGV[1]) end
  redis.call('HDEL', KEYS[1], 'leases')
  redis.call('SET', KEYS[6], ARGV[1] .. ' ' .. now, 'EX', 86400)
end
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('ZREM', KEYS[2], ARGV[1])
-- results are due a day ago, so that they go out before anybody's progress
for i = 9, #ARGV do redis.call('ZADD', KEYS[3], now - 86400000, ARGV[i]) end
redis.call('PUBLISH', KEYS[3], '')
for _, id in ipairs(redis.call('SMEMBERS', KEYS[4])) do redis.call('ZADD', KEYS[2], 'XX', now, id) end
redis.call('DEL', KEYS[4])
return 1
