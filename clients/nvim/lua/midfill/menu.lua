--- The completion menu: Neovim's own, nvim-cmp's or blink.cmp's. Whether one is open, and which of
--- its items is selected. Needs none of them.

local M = {}

local api = vim.api
local watched_cmp ---@type table? the one whose events are listened to
local on_cmp = function() end
local is_blink_set_up = false -- it has opened its menu
local key_namespace = api.nvim_create_namespace('midfill.menu')

---@class midfill.Selected
---@field text string the item as the menu would insert it
---@field col integer byte column where it begins, at or before the cursor

---@param name string
---@return table?
local function loaded(name)
  local module = package.loaded[name]
  return type(module) == 'table' and module or nil
end

-- Its `visible()` waits until it has filtered, for tens of milliseconds after each key.
---@return table?
local function view_of_cmp()
  local cmp = loaded('cmp')
  local view = cmp and cmp.core and cmp.core.view
  return view and view:visible() and view or nil
end

-- Asked before its own `setup()`, it would load what takes the options of that.
---@return table?
local function open_blink()
  local blink = is_blink_set_up and loaded('blink.cmp') or nil
  local is_open = blink and (blink.is_menu_visible or blink.is_visible)
  return is_open and is_open() == true and blink or nil
end

--- Whether a menu is open now.
---@return boolean
function M.is_open()
  return vim.fn.pumvisible() == 1 or view_of_cmp() ~= nil or open_blink() ~= nil
end

--- Return what an item of the language server protocol inserts, nil for a snippet.
---@param item? lsp.CompletionItem
---@return string?
local function text_of_item(item)
  if not item or item.insertTextFormat == vim.lsp.protocol.InsertTextFormat.Snippet then
    return nil
  end
  return item.textEdit and item.textEdit.newText or item.insertText or item.label
end

--- Return whether an item is selected, and what it inserts; no text for a snippet.
---@return boolean, string?
local function selected_text()
  if vim.fn.pumvisible() == 1 then
    local info = vim.fn.complete_info({ 'selected', 'items' })
    local item = info.items[info.selected + 1]
    return item ~= nil, item and item.word
  end
  local view = view_of_cmp()
  if view then
    local entry = view:get_selected_entry()
    local is_snippet = entry and not text_of_item(entry.completion_item)
    return entry ~= nil, entry and not is_snippet and (entry.word or entry:get_word()) or nil
  end
  local blink = open_blink()
  local item = blink and blink.get_selected_item and blink.get_selected_item()
  return item ~= nil, text_of_item(item)
end

--- Return how much of a text ends at the cursor as a word of its own, nil if it can't go on there.
---@param text string
---@param before string the line before the cursor
---@return integer?
local function num_typed(text, before)
  for num = math.min(#text, #before), 0, -1 do
    local is_apart = not before:sub(1, #before - num):find('[%w_\128-\255]$')
    if vim.endswith(before, text:sub(1, num)) and (is_apart or text:find('^[^%w_\128-\255]')) then
      return num
    end
  end
end

--- Return the item that is selected in the open menu and not in the text yet, nil if there is none;
--- false if it would change what was typed, so that ghost text cannot go on from it.
---@return midfill.Selected|false|nil
function M.selected()
  local is_selected, text = selected_text()
  if not is_selected then
    return nil
  end
  local col = api.nvim_win_get_cursor(0)[2]
  local num = text and num_typed(text, api.nvim_get_current_line():sub(1, col))
  if not text or not num then
    return false
  end
  return num < #text and { text = text, col = col - num } or nil
end

local function listen_to_cmp()
  local cmp = loaded('cmp')
  if not cmp or not cmp.event or cmp == watched_cmp then
    return
  end
  watched_cmp = cmp
  for _, name in ipairs({ 'menu_opened', 'menu_closed' }) do
    cmp.event:on(name, function()
      on_cmp()
    end)
  end
  vim.on_key(function() -- it does not tell that another item was selected
    if view_of_cmp() then
      on_cmp()
    end
  end, key_namespace)
end

--- Have a function called whenever a menu has opened or closed, or another item is selected.
---@param group integer
---@param on_change fun()
function M.watch(group, on_change)
  local changed = vim.schedule_wrap(on_change) -- a menu still counts as open in its last event
  on_cmp = changed
  api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, {
    group = group,
    desc = 'Midfill: make room for the menu',
    callback = changed,
  })
  api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose', 'BlinkCmpListSelect' },
    desc = 'Midfill: make room for the menu of blink.cmp',
    callback = function()
      is_blink_set_up = true
      changed()
    end,
  })
  api.nvim_create_autocmd('InsertEnter', {
    group = group,
    desc = 'Midfill: learn of the menu of nvim-cmp, once it is loaded',
    callback = listen_to_cmp,
  })
end

return M
