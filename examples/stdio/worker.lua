-- A worker in Lua, a filter: snakepit up lua --adapter 'exec:lua5.4 examples/stdio/worker.lua'
-- snakepit exec line item=hello --pool lua
io.stdout:setvbuf("line")
for line in io.lines() do
  io.write(line:reverse(), "\n")
end
