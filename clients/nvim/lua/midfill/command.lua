--- `:Midfill`: its subcommands and their completion.

local report = require('midfill.report')
local server = require('midfill.server')
local wire = require('midfill.wire')

local M = {}

--- Run a command of the server and print what it answers.
---@param command string
---@param read fun(result: any): string[]
local function ask(command, read)
  wire.execute(command, {}, function(err, result)
    if err then
      report.complain(err.message)
    else
      report.say(read(result))
    end
  end)
end

---@param is_on boolean
---@return fun(arguments: string[])
local function switch(is_on)
  return function(arguments)
    local buf = arguments[1] == 'buffer' and 0 or nil
    require('midfill').enable(is_on, buf)
  end
end

--- Return the command line of `midfill` that belongs to the server in use.
---@return string[]?
local function program()
  local command = server.command()
  for idx, part in ipairs(command) do
    if part == 'lsp' then
      return vim.list_slice(command, 1, idx - 1)
    end
  end
end

---@param id string
local function use_model(id)
  local settings = require('midfill').options.settings
  local kind = (settings.backend or {}).kind
  if kind and kind ~= 'engine' then
    report.complain(('backend.kind is %s: set backend.model in setup()'):format(kind))
    return
  end
  local command = program()
  if not command then
    report.complain('`cmd` in setup() holds no "lsp"; run: midfill models use ' .. id)
    return
  end
  local missing = server.missing(command[1])
  if missing then
    report.complain(missing)
    return
  end
  vim.list_extend(command, { 'models' })
  if (settings.engine or {}).url then
    vim.list_extend(command, { '--engine-url', settings.engine.url })
  end
  vim.list_extend(command, { 'use', id })
  vim.system(command, { text = true }, function(done)
    vim.schedule(function()
      local told = vim.trim(done.code == 0 and done.stdout or done.stderr)
      if done.code == 0 then
        report.say({ told })
      else
        report.complain(told)
      end
    end)
  end)
end

local function ask_for_token()
  local token = require('midfill.token')
  if not require('midfill').options.token then
    report.complain('set token = "ask" in setup() first')
  elseif not token.url then
    report.complain('no server has asked for a token yet: see backend.kind')
  elseif token.prompt(token.url) then
    wire.notify('midfill/didChangeToken', vim.empty_dict())
  end
end

---@class midfill.Subcommand
---@field run fun(arguments: string[])
---@field max? integer how many words may follow
---@field choices? string[] one of which they must be

---@type table<string, midfill.Subcommand>
M.subcommands = {
  status = {
    run = function()
      ask('midfill.status', function(status)
        status.metrics = nil
        return report.lines_of(status)
      end)
    end,
  },
  stats = {
    run = function()
      ask('midfill.status', function(status)
        return report.lines_of(status.metrics)
      end)
    end,
  },
  explain = {
    run = function()
      ask('midfill.explain', report.lines_of_explanation)
    end,
  },
  restart = { run = server.restart },
  model = {
    max = 1,
    run = function(arguments)
      if arguments[1] then
        use_model(arguments[1])
        return
      end
      ask('midfill.status', function(status)
        local can = type(status.capabilities) == 'table' and status.capabilities or {}
        local told = { 'model: ' .. report.model_of(status), 'backend: ' .. status.backend }
        return vim.list_extend(told, report.lines_of(can))
      end)
    end,
  },
  token = { run = ask_for_token },
  log = {
    run = function()
      local log = vim.lsp.log
      vim.cmd.tabnew(vim.fn.fnameescape(log.get_filename()))
      vim.cmd('normal! G')
    end,
  },
  enable = { max = 1, choices = { 'buffer' }, run = switch(true) },
  disable = { max = 1, choices = { 'buffer' }, run = switch(false) },
  toggle = {
    max = 1,
    choices = { 'buffer' },
    run = function(arguments)
      require('midfill').toggle(arguments[1] == 'buffer' and 0 or nil)
    end,
  },
}

---@return string[]
local function names()
  local list = vim.tbl_keys(M.subcommands)
  table.sort(list)
  return list
end

---@param subcommand midfill.Subcommand
---@return string
local function takes(subcommand)
  if subcommand.choices then
    return 'nothing, or one of: ' .. table.concat(subcommand.choices, ', ')
  end
  return subcommand.max == 1 and 'at most one word' or 'nothing'
end

--- Call `setup()` if nobody has.
function M.set_up()
  if not require('midfill').options then
    require('midfill').setup()
  end
end

--- Run `:Midfill ARGUMENTS`.
---@param arguments string[]
function M.run(arguments)
  local name = arguments[1] or 'status'
  local subcommand = M.subcommands[name]
  if not subcommand then
    report.complain(('no subcommand %s; there are: %s'):format(name, table.concat(names(), ', ')))
    return
  end
  local rest = vim.list_slice(arguments, 2)
  if #rest > (subcommand.max or 0) then
    report.complain(('%s takes %s; got %s'):format(name, takes(subcommand), table.concat(rest, ' ')))
    return
  end
  if subcommand.choices and rest[1] and not vim.tbl_contains(subcommand.choices, rest[1]) then
    report.complain(('%s takes %s; got %s'):format(name, takes(subcommand), rest[1]))
    return
  end
  M.set_up()
  subcommand.run(rest)
end

--- Return what may stand where the cursor is in the command line.
---@param lead string
---@param line string
---@param num_bytes integer before the cursor
---@return string[]
function M.complete(lead, line, num_bytes)
  local before = line:sub(1, num_bytes - #lead):match('.*%f[%w]Midfill%s+(.*)') or ''
  local words = vim.split(before, '%s+', { trimempty = true })
  local choices = names()
  if #words > 0 then
    local subcommand = M.subcommands[words[1]]
    choices = #words == 1 and subcommand and subcommand.choices or {}
  end
  return vim.tbl_filter(function(choice)
    return vim.startswith(choice, lead)
  end, choices)
end

return M
