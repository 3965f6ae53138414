--- Keys in insert mode. One that has nothing to do does what it did before: the user's own mapping,
--- or what Neovim does. A mapping of the buffer's own goes before ours, as always.

local M = {}

local api = vim.api
local taken = {} ---@type { lhs: string, before?: table }[]

---@param keys string
---@return string
local function raw(keys)
  return api.nvim_replace_termcodes(keys, true, true, true)
end

--- Return the mapping of a key that is no buffer's own.
---@param lhs string
---@return table?
local function find(lhs)
  local without_own = api.nvim_create_buf(false, true)
  local map = api.nvim_buf_call(without_own, function()
    return vim.fn.maparg(lhs, 'i', false, true)
  end)
  api.nvim_buf_delete(without_own, { force = true })
  return next(map) and map or nil
end

---@param map table
---@return string
local function keys_of(map)
  local rhs = (map.rhs or ''):gsub('<SID>', ('<SNR>%d_'):format(map.sid or 0))
  if map.expr ~= 1 then
    return raw(rhs)
  end
  local value ---@type any
  if map.callback then
    value = map.callback()
  else
    value = api.nvim_eval(rhs)
  end
  local keys = type(value) == 'string' and value or ''
  return map.replace_keycodes == 1 and raw(keys) or keys
end

--- Do what a key did before it was taken.
---@param lhs string
---@param map? table
local function fall_through(lhs, map)
  if not map then
    api.nvim_feedkeys(raw(lhs), 'ni', false)
  elseif map.callback and map.expr ~= 1 then
    map.callback()
  else
    local keys = keys_of(map)
    local is_final = map.noremap == 1 or vim.startswith(keys, raw(lhs)) -- else it would come back
    api.nvim_feedkeys(keys, is_final and 'ni' or 'mi', false)
  end
end

--- Give every key back.
function M.release()
  for _, key in ipairs(taken) do
    pcall(vim.keymap.del, 'i', key.lhs)
    if key.before then
      vim.fn.mapset('i', false, key.before)
    end
  end
  taken = {}
end

--- Take the keys of the options.
---@param keys midfill.Keys
---@param actions table<string, fun(): boolean> each returns whether it had something to do
function M.take(keys, actions)
  M.release()
  for name, lhs in pairs(keys) do
    if lhs then
      local before = find(lhs)
      table.insert(taken, { lhs = lhs, before = before })
      vim.keymap.set('i', lhs, function()
        if not actions[name]() then
          fall_through(lhs, before)
        end
      end, { desc = 'Midfill: ' .. name:gsub('_', ' ') })
    end
  end
end

--- Return the keys whose mapping is no longer ours, by name.
---@param keys midfill.Keys
---@return table<string, string>
function M.lost(keys)
  local lost = {}
  for name, lhs in pairs(keys) do
    local map = lhs and find(lhs)
    if lhs and not (map and vim.startswith(map.desc or '', 'Midfill: ')) then
      lost[name] = lhs
    end
  end
  return lost
end

return M
