-- Room::finish. ARGV[3]: visitor; ARGV[4]: ticket.

local visitor, ticket = ARGV[3], tonumber(ARGV[4])

begin()
local turn = find_turn(visitor)
local held = turn and turn.ticket == ticket
if held then revoke(visitor, ticket) end
save()
return { held and 'cleared' or 'not_ready' }
