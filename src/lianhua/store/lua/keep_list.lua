-- Moves the expiry of a user's list behind that of the conversations in it. KEYS list, pinned   ARGV retention_s
keep_list(KEYS[1], KEYS[2], tonumber(ARGV[1]))
return {'ok'}
