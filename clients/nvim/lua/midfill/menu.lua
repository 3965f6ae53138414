--- Whether a completion menu is open: Neovim's own, nvim-cmp's or blink.cmp's. Needs none of them.

local M = {}

local is_watching_cmp = false

--- Whether a menu is open now.
---@return boolean
function M.is_open()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  local cmp = package.loaded['cmp']
  if type(cmp) == 'table' and cmp.visible and cmp.visible() then
    return true
  end
  local blink = package.loaded['blink.cmp']
  local is_open = type(blink) == 'table' and (blink.is_menu_visible or blink.is_visible)
  return is_open and is_open() == true or false
end

--- Have a function called whenever a menu has opened or closed.
---@param group integer
---@param on_change fun()
function M.watch(group, on_change)
  local changed = vim.schedule_wrap(on_change) -- a menu still counts as open in its last event
  vim.api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, {
    group = group,
    desc = 'Midfill: make room for the menu',
    callback = changed,
  })
  vim.api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose' },
    desc = 'Midfill: make room for the menu of blink.cmp',
    callback = changed,
  })
  vim.api.nvim_create_autocmd('InsertEnter', {
    group = group,
    desc = 'Midfill: learn of the menu of nvim-cmp, once it is loaded',
    callback = function()
      local cmp = package.loaded['cmp']
      if not is_watching_cmp and type(cmp) == 'table' and cmp.event then
        is_watching_cmp = true
        cmp.event:on('menu_opened', changed)
        cmp.event:on('menu_closed', changed)
      end
    end,
  })
end

return M
