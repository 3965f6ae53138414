--- Keys in insert mode. One that has nothing to do does what it did before: the user's own mapping,
--- or what Neovim does. A mapping of the buffer's own goes before ours, as always.

local M = {}

local api = vim.api
local OURS, OF_CMP = 'Midfill: ', 'cmp.utils.keymap.set_map'
local taken = {} ---@type { lhs: string, before?: table, is_ours: boolean }[]

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

---@param map? table
---@return boolean
local function is_ours(map)
  return map ~= nil and vim.startswith(map.desc or '', OURS)
end

--- Give every key back. One that was mapped anew since is another's; what that falls back to, ours,
--- does what it did before.
function M.release()
  for _, key in ipairs(taken) do
    key.is_ours = false
    if is_ours(find(key.lhs)) then
      vim.keymap.del('i', key.lhs)
      if key.before then
        vim.fn.mapset('i', false, key.before)
      end
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
      local key = { lhs = lhs, before = find(lhs), is_ours = true }
      table.insert(taken, key)
      vim.keymap.set('i', lhs, function()
        if not key.is_ours or not actions[name]() then
          fall_through(lhs, key.before)
        end
      end, { desc = OURS .. name:gsub('_', ' ') })
    end
  end
end

--- Return the keys whose mapping is no longer ours, by name. nvim-cmp puts its own over each that
--- it is told to map, and falls back to ours.
---@param keys midfill.Keys
---@return table<string, string>
function M.lost(keys)
  local lost = {}
  for name, lhs in pairs(keys) do
    local map = lhs and find(lhs) or nil
    if lhs and not is_ours(map) and not (map and map.desc == OF_CMP) then
      lost[name] = lhs
    end
  end
  return lost
end

return M
