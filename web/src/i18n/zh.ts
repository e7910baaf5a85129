export const zh = {
  "app.name": "连话",
  "app.about": "一问一答，接着聊下去：连话记得这段对话，每次都会告诉你模型看到了什么。",

  "side.label": "对话列表",
  "side.open": "打开对话列表",
  "side.close": "关闭对话列表",
  "side.empty": "还没有对话。第一句话发出后，它会出现在这里。",
  "side.more": "更早的对话",
  "side.failed": "对话列表没有加载出来。",
  "side.options": "“{title}”的选项",
  "side.running": "正在回答",
  "search.label": "搜索对话",
  "more": "更多",
  "language.switch": "English",
  "language.switch.label": "Switch to English",

  "expiry.in": "{when}过期",
  "expiry.never": "不会过期",
  "expiry.pinned": "已置顶，不会过期",

  "conversation.new": "新对话",
  "conversation.untitled": "新对话",
  "conversation.clear": "清空对话",
  "conversation.loading": "正在加载对话…",
  "conversation.failed": "这段对话没有加载出来。",
  "sentences": "{first}{second}",

  "role.label": "角色",
  "role.own": "我的角色",
  "model.label": "模型",
  "model.demo": "还没有设置语言模型，现在是演示程序在回答。设置 OPENAI_API_KEY，或启动 Ollama，或运行 lianhua pull，再重新启动。",
  "model.local": "正在回答的是本机的小模型 {name}：它会编造事实，重要的内容请自行核对。",
  "model.scripted": "回答来自一份脚本，只用于测试。",
  "model.local.dismiss": "知道了",

  "messages.label": "消息",
  "message.you": "你",
  "suggestions.label": "试着问问",

  "input.label": "消息",
  "input.placeholder": "说点什么…",
  "input.send": "发送",
  "input.stop": "停止回答",
  "input.hint": "Enter 发送，Shift+Enter 换行",

  "reply.making": "正在回答",
  "reply.started": "开始回答。",
  "reply.retry": "再试一次",

  "trouble.unreachable": "连接不上服务器。你写的内容还在，请稍后再发送。",
  "trouble.part": "页面的一部分没能取到，请刷新页面。",
  "trouble.dismiss": "关闭提示",

} as const;
