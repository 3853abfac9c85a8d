-- Reads the inventory index of one site.
-- KEYS: meta, rows, names, paths
-- ARGV: format, stale after ms, then 'none' | 'named', folded, id | 'starting', folded, most | 'borne', id, id ...
-- Returns {age ms, age of the tags in ms or -1 when they are not known, JSON array of rows}, or nothing when it is missing, stale or of another format.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'format', 'as_of', 'count', 'tags_as_of')
if not meta[1] or meta[1] ~= ARGV[1] or not meta[2] then return {} end
if redis.call('HLEN', KEYS[2]) ~= tonumber(meta[3]) then return {} end -- somebody took rows away
local age = now - meta[2]
-- the clock may have been set back; then nobody knows
if age > tonumber(ARGV[2]) or age < -1000 then return {} end
local rows = {}
local ids, seen = {}, {}
local function collect(key, low, high, most)
  for _, member in ipairs(redis.call('ZRANGEBYLEX', key, low, high, 'LIMIT', 0, most)) do
    local id = string.match(member, '%z([^%z]*)$')
    if id and not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
end
if ARGV[3] == 'named' then
  seen[ARGV[5]] = true
  ids[1] = ARGV[5]
  collect(KEYS[3], '[' .. ARGV[4] .. '\0', '(' .. ARGV[4] .. '\1', -1)
  collect(KEYS[4], '[' .. ARGV[4] .. '\0', '(' .. ARGV[4] .. '\1', -1)
elseif ARGV[3] == 'starting' then
  collect(KEYS[3], '[' .. ARGV[4], '(' .. ARGV[4] .. '\255', ARGV[5])
elseif ARGV[3] == 'borne' then
  for place = 4, #ARGV do ids[#ids + 1] = ARGV[place] end
end
for _, id in ipairs(ids) do
  local row = redis.call('HGET', KEYS[2], id)
  if row then rows[#rows + 1] = row end
end
local tags_age = meta[4] == '-1' and -1 or math.max(0, now - meta[4])
return {age, tags_age, '[' .. table.concat(rows, ',') .. ']'}
