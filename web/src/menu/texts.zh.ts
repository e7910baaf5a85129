export const zh = {
  "more.back": "返回",
  "more.close": "关闭",
  "more.personas": "我的角色",
  "more.personas.about": "自己写提示词",
  "more.usage": "用量",
  "more.usage.about": "每天的词元和费用",
  "more.transfer": "导入和导出",
  "more.transfer.about": "导出全部，或从别处导入",
  "more.shortcuts": "键盘快捷键",
  "more.shortcuts.about": "不用鼠标也能做的事",
  "more.account": "账号",
  "more.account.about": "密码、登录的设备、API 令牌",
} as const;
