-- A person's word on a plan that was shown, taken once; the last one that is needed opens the next attempt.
-- KEYS: request, open, outbox, audit
-- ARGV: id, state in which it is asked, plan digest, voter, sealed vote, look-again ms, numbers of the needs that it counts for,
--       counts of all needs, sealed record, message...
-- Returns the new attempt's number; 0 when it is no longer asked, -1 when another plan is shown now, -2 when it is too late,
--         -3 when this person has voted, -4 when it was counted and more are needed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, digest, by = unpack(redis.call('HMGET', KEYS[1], 'state', 'digest', 'answer_by'))
if state ~= ARGV[2] then return 0 end
if digest ~= ARGV[3] then return -1 end
if by and now > tonumber(by) * 1000 then return -2 end
if redis.call('HSETNX', KEYS[1], 'vote:' .. ARGV[4], ARGV[5]) == 0 then return -3 end
redis.call('HSET', KEYS[1], 'for:' .. ARGV[4], ARGV[7])
redis.call('XADD', KEYS[4], '*', 'sealed', ARGV[9])
for i = 10, #ARGV do redis.call('ZADD', KEYS[3], now, ARGV[i]) end
redis.call('PUBLISH', KEYS[3], '')
local got = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 4) == 'for:' then
    for number in string.gmatch(redis.call('HGET', KEYS[1], field), '%d+') do
      got[tonumber(number)] = (got[tonumber(number)] or 0) + 1
    end
  end
end
local need = 0
for count in string.gmatch(ARGV[8], '%d+') do
  if (got[need] or 0) < tonumber(count) then return -4 end
  need = need + 1
end
redis.call('HSET', KEYS[1], 'state', 'accepted')
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'attempt', 1)
