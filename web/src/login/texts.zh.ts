export const zh = {
  "login.title": "登录",
  "login.name": "用户名",
  "login.password": "密码",
  "login.new_password": "新密码（至少 12 个字符）",
  "login.submit": "登录",
  "login.with": "用 {name} 登录",
  "login.link.title": "{name}，请设置密码",
  "login.invite.title": "欢迎：请选一个用户名和密码",
  "login.set": "设置并登录",
  "login.unreachable": "连不上服务器，请再试一次。",
} as const;
