-- Puts rows where nobody reads yet.
-- KEYS: meta, rows, names, paths   ARGV: owner, hold ms, is-first 0|1, then id, row, name member, path member, ...
-- Returns 1, or 0 when somebody else is the writer.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
if ARGV[3] == '1' then redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4]) end
for i = 4, #ARGV, 4 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], 0, ARGV[i + 2])
  redis.call('ZADD', KEYS[4], 0, ARGV[i + 3])
end
for i = 2, 4 do redis.call('EXPIRE', KEYS[i], 600) end
return 1
