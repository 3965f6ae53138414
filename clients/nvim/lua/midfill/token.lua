--- Answers `midfill/token`: the token for a server, kept in this process only.

local M = {}

M.url = nil ---@type string? of the server that asked last

local kept = {} ---@type table<string, string>
local choice ---@type 'ask'|(fun(url: string): string?)|nil

---@param chosen 'ask'|(fun(url: string): string?)|nil
function M.configure(chosen)
  choice = chosen
end

--- Ask the user, now.
---@param url string
---@return string? nil if the user gave none
function M.prompt(url)
  vim.fn.inputsave()
  local is_given, token = pcall(vim.fn.inputsecret, ('Token for %s: '):format(url))
  vim.fn.inputrestore()
  if is_given and vim.trim(token) ~= '' then
    kept[url] = vim.trim(token)
  end
  return kept[url]
end

--- Give the token for the server at `url` to `answer`, nil if there is none.
---@param url string
---@param answer fun(token?: string)
function M.answer(url, answer)
  M.url = url
  if type(choice) == 'function' then
    local is_ok, token = pcall(choice, url)
    if not is_ok then
      vim.notify('Midfill: the function `token` of setup() failed', vim.log.levels.ERROR)
    end
    answer(is_ok and type(token) == 'string' and token or nil)
  elseif choice ~= 'ask' or kept[url] then
    answer(kept[url])
  elseif vim.startswith(vim.api.nvim_get_mode().mode, 'n') then
    answer(M.prompt(url))
  else -- a prompt would take the keys that are meant for the text
    vim.notify(('Midfill: leave insert mode to enter the token for %s'):format(url))
    vim.api.nvim_create_autocmd('ModeChanged', {
      pattern = '*:n',
      once = true,
      desc = 'Midfill: ask for a token',
      callback = vim.schedule_wrap(function()
        answer(M.prompt(url))
      end),
    })
  end
end

--- Answer `midfill/token`, as soon as it is known.
---@param params { url: string }
---@return { token?: string }
function M.reply(_, params)
  local routine = coroutine.running()
  local reply ---@type { token?: string }?
  M.answer(params.url, function(token)
    reply = { token = token or vim.NIL }
    if coroutine.status(routine) == 'suspended' then
      coroutine.resume(routine)
    end
  end)
  if not reply then
    coroutine.yield()
  end
  return reply
end

return M
