-- Accepts a request once.
-- KEYS: dedupe, request, open, requests, by-actor, outbox, halts, audit, alive...
-- ARGV: id, sealed, dedupe ttl s, retention s, look-again ms, is-change 0|1, message or '', message due ms, expired-after ms,
--       sealed record, then field, value, ...
-- Returns {'accepted'|'duplicate'|'halted'|'no_worker', id or halt}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = redis.call('GET', KEYS[1])
if first then return {'duplicate', first} end
if ARGV[6] == '1' then
  local halt = redis.call('HGET', KEYS[7], '*')
  if halt then return {'halted', halt} end
end
if #KEYS > 8 then
  local alive = 0
  for i = 9, #KEYS do alive = alive + redis.call('EXISTS', KEYS[i]) end
  if alive == 0 then return {'no_worker', ''} end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
redis.call('HSET', KEYS[2], 'sealed', ARGV[2], 'attempt', 1, 'accepted', now)
for i = 11, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('XADD', KEYS[8], '*', 'sealed', ARGV[10])
redis.call('ZADD', KEYS[3], now + ARGV[5], ARGV[1])
for i = 4, 5 do
  redis.call('ZADD', KEYS[i], now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now - ARGV[9])
  redis.call('EXPIRE', KEYS[i], ARGV[4])
end
if ARGV[7] ~= '' then
  redis.call('ZADD', KEYS[6], now + ARGV[8], ARGV[7])
  redis.call('PUBLISH', KEYS[6], '')
end
return {'accepted', ARGV[1]}
