-- Commands and highlight groups. Everything else is loaded by `require('midfill').setup()`.

if vim.g.loaded_midfill then
  return
end
vim.g.loaded_midfill = true

local function set_highlights()
  local native = vim.fn.hlexists('ComplHint') == 1 and 'ComplHint' or 'NonText'
  vim.api.nvim_set_hl(0, 'MidfillGhost', { default = true, link = native })
  vim.api.nvim_set_hl(0, 'MidfillEdit', { default = true, link = 'Visual' })
  vim.api.nvim_set_hl(0, 'MidfillCount', { default = true, link = 'MoreMsg' })
end

set_highlights()
vim.api.nvim_create_autocmd('ColorScheme', {
  group = vim.api.nvim_create_augroup('midfill.highlights', {}),
  desc = 'Midfill: highlight groups',
  callback = set_highlights,
})

vim.api.nvim_create_user_command('Midfill', function(command)
  require('midfill.command').run(command.fargs)
end, {
  nargs = '*',
  desc = 'Midfill: code completion at the cursor',
  complete = function(...)
    return require('midfill.command').complete(...)
  end,
})

vim.api.nvim_create_user_command('MidfillChat', function(command)
  require('midfill.command').set_up()
  require('midfill.chat').run(command)
end, { nargs = '*', range = true, bang = true, desc = 'Midfill: chat' })

vim.api.nvim_create_user_command('MidfillEdit', function(command)
  require('midfill.command').set_up()
  require('midfill.edit').run(command)
end, { nargs = '*', range = true, desc = 'Midfill: rewrite lines as an instruction says' })
