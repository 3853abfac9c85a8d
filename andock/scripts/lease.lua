-- Leases on targets: all of them or none. A lease belongs to its request and ends with it, so that a crash
-- between a vCenter task's start and its end never lets another change in.
-- KEYS: request, leases...   ARGV: id, request key prefix, number of exclusive leases (the rest are shared)
-- Returns '' or the id of the request that stands in the way.
for i = 2, #KEYS do
  local exclusive = i - 1 <= tonumber(ARGV[3])
  local held = redis.call('HGETALL', KEYS[i])
  for j = 1, #held, 2 do
    local holder, mode = held[j], held[j + 1]
    if holder ~= ARGV[1] then
      local state, result = unpack(redis.call('HMGET', ARGV[2] .. holder, 'state', 'result'))
      if not state or result then
        redis.call('HDEL', KEYS[i], holder)
      elseif exclusive or mode == 'x' then
        return holder
      end
    end
  end
end
local names = {}
for i = 2, #KEYS do
  redis.call('HSET', KEYS[i], ARGV[1], i - 1 <= tonumber(ARGV[3]) and 'x' or 's')
  names[#names + 1] = KEYS[i]
end
if #names > 0 then redis.call('HSET', KEYS[1], 'leases', cjson.encode(names)) end
return ''
