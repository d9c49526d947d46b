-- Take what each call wants of its limits, all of them or none, call by call in order. GCRA, by the server's clock.
--
-- KEYS  the limits. A key holds the microsecond in which its limit will be whole again; a whole limit has no key.
-- ARGV  for each call the number of its takes, then for each take: its place in KEYS, what it uses up, and what may be
--       used up at once; both in microseconds, since a unit is the time in which it grows back.
--
-- Returns two integers a call: the take that refused it (1 is the first, 0: all hold), and the microseconds until that
-- one would hold. Where several refuse, it is the one that takes longest.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- by place in KEYS: when the limit is whole again, and whether that must be written
local whole, changed = {}, {}
local answers = {}

local function whole_at(place, window)
    if not whole[place] then
        whole[place] = tonumber(redis.call('GET', KEYS[place])) or now
        -- more than all can only be gone when the clock was set back or the limit was made smaller
        if whole[place] > now + window then
            whole[place] = now + window
            changed[place] = true
        end
    end
    return whole[place]
end

local at = 1
while at <= #ARGV do
    local wanted, refused, wait = {}, 0, 0
    local takes = tonumber(ARGV[at])
    for take = 1, takes do
        local place, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
        local after = math.max(now, wanted[place] or whole_at(place, window)) + ARGV[at + 2]
        local over = after - now - window
        if over > wait then
            refused, wait = take, over
        elseif over <= 0 then
            wanted[place] = after
        end
        at = at + 3
    end
    if refused == 0 then
        for place, after in pairs(wanted) do
            whole[place] = after
            changed[place] = true
        end
    end
    answers[#answers + 1] = refused
    answers[#answers + 1] = wait
    at = at + 1
end

for place in pairs(changed) do
    local left = math.ceil((whole[place] - now) / 1000)
    if left > 0 then
        -- %.0f: a number as an argument could be written with an exponent
        redis.call('SET', KEYS[place], string.format('%.0f', whole[place]), 'PX', string.format('%.0f', left))
    end
end

return answers
