-- The owning attempt writes fields (a mark, the plan, progress) before it does the next thing.
-- KEYS: request, outbox   ARGV: owner, message or '', message due ms, field, value, ...
-- Returns 1, or 0 when another attempt owns the request.
local state, owner = unpack(redis.call('HMGET', KEYS[1], 'state', 'owner'))
if state ~= 'running' or owner ~= ARGV[1] then return 0 end
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[2] ~= '' then
  local time = redis.call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
  -- of a message that is due already the courier was told
  if redis.call('ZADD', KEYS[2], 'NX', due, ARGV[2]) == 1 then redis.call('PUBLISH', KEYS[2], '') end
end
return 1
