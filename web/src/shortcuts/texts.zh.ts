export const zh = {
  "shortcut.send": "发送消息",
  "shortcut.line": "换行",
  "shortcut.search": "搜索对话",
  "shortcut.new": "新对话",
  "shortcut.input": "回到输入框",
  "shortcut.stop": "停止回答（在输入框里）",
  "shortcut.edit": "修改上一条消息（输入框为空时）",
  "shortcut.copy": "复制最新的回答",
  "shortcut.help": "显示这份列表",
  "shortcut.or": "或",
} as const;
