--- Columns: Neovim counts bytes, the wire UTF-8 or UTF-16 units, as was settled in the handshake.

local M = {}

--- Return how many units the byte adds to those before it: characters count at their first byte.
---@param byte integer
---@param encoding string
---@return integer
local function units_of(byte, encoding)
  if encoding == 'utf-8' then
    return 1
  end
  if byte >= 0x80 and byte < 0xC0 then
    return 0
  end
  return encoding == 'utf-16' and byte >= 0xF0 and 2 or 1
end

--- Return the length of a text in units of `encoding`.
---@param text string
---@param encoding string
---@return integer
function M.num_units(text, encoding)
  local num = 0
  for idx = 1, #text do
    num = num + units_of(text:byte(idx), encoding)
  end
  return num
end

--- Return the units of `encoding` before a byte column.
---@param line string
---@param byte_col integer
---@param encoding string
---@return integer
function M.to_character(line, byte_col, encoding)
  return M.num_units(line:sub(1, byte_col), encoding)
end

--- Return the byte column that has this many units of `encoding` before it, the line's end at most.
---@param line string
---@param character integer
---@param encoding string
---@return integer
function M.to_byte_col(line, character, encoding)
  local num = 0
  for idx = 1, #line do
    local units = units_of(line:byte(idx), encoding)
    if units > 0 and num >= character then
      return idx - 1
    end
    num = num + units
  end
  return #line
end

return M
