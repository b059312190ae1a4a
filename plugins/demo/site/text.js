// Every sentence of the page, in the two languages it speaks. {x} is filled in by t().
const sentences = {
  en: {
    skip: "Skip to the message box", rooms: "Rooms", close: "Close", notifications: "Notifications",
    join_label: "Open another room", join_example: "maple, 사랑방 …", join: "Open", leave: "Leave {room}",
    name_label: "Your name", name_hint: "Goes before what you say. Every window may have its own.",
    retry: "Try now", copy_link: "Copy the link to this room", copied: "Copied", copy: "Copy",
    newer: "New messages ↓", say_label: "Message", say_as: "Say something, {name}", send: "Send",
    say_hint: "Enter sends, Shift + Enter starts a new line",
    unread: "{n} unread", connecting: "Connecting …", open: "Connected", waiting: "Back in {s} s",
    waiting_now: "Coming back …", offline: "You are offline", refused: "Not let in", ended: "Closed ({code})", idle: "Not connected",
    say_connecting: "Connecting to {room}", say_open: "Connected to {room}", say_waiting: "Connection to {room} lost. It comes back by itself.",
    say_refused: "The server does not let you into {room}", say_ended: "The server closed {room}", say_idle: "Left {room}",
    empty_title: "The yard is quiet", empty_text: "Say hello, or open a second window and answer yourself.",
    empty_link: "Open a second window", joined: "{who} joined", left: "{who} left", guest: "guest {tag}",
    queued: "Waiting for the connection", sending: "Sending", refused_note: "Not delivered: {why}",
    lost: "The connection was lost: this may not have arrived.", again: "Send again", full: "Too many messages are waiting already",
    people: "Who is here", people_n: "{n} here: who is in the room", people_empty: "Nobody can be seen from here.", here_since: "since",
    here_tabs: "{n} windows, since", seen: "Last seen", seen_at: "left at",
    people_hint: "A token, under Notifications, tells the room who you are; without one you are a guest.",
    typing_one: "{who} is typing", typing_two: "{who} and {other} are typing", typing_many: "{n} people are typing",
    websocket: "WebSocket", http_stream: "HTTP stream", sse: "SSE", transport_note: "This room comes over {transport}",
    transport_label: "Transport", transport_best: "Automatic",
    missing_title: "The package is not here yet", missing_text: "Madang brings no code of others along. npm puts the package where this page looks for it:",
    missing_then: "Then load this page again. ./dev run does it by itself.",
    other_page: "The same room through the npm package centrifuge", this_page: "The same room over plain WebSocket",
    you: "You", room_log: "Messages in {room}",
    token_label: "Your token (a JWT)", connect: "Connect", disconnect: "Disconnect", token_how: "How to get a token",
    token_server: "Start the server with a secret of your own, at least 32 bytes:",
    token_make: "Sign a token for user 42, good for an hour, with that secret:",
    token_kept: "The token stays in this page: it is not stored, and a reload forgets it.",
    notify_idle: "Not connected", notify_connecting: "Connecting …", notify_open: "Listening for user {user}", notify_waiting: "Connection lost, coming back …",
    notify_refused: "Refused: the server does not accept this token", notify_ended: "Closed by the server ({code})",
    notify_expired: "This token has expired: sign a new one", this_user: "?",
    reports: "Reports", report_label: "A PDF about", report_example: "A day in the yard", report_pages: "Pages", report_make: "Make the PDF",
    report_empty: "Nothing asked for yet.", report_waits: "Waits for a worker", report_page: "Page {page} of {pages}", report_retry: "Goes on in a moment",
    report_ready: "Ready: {n} pages", report_failed: "Could not be made", report_gone: "Not kept any more", report_download: "Download",
    report_download_of: "Download {title}", report_forget: "Forget {title}", report_refused: "Not taken: {why}",
    report_taken: "{title}: being made", report_ready_of: "{title} is ready to download",
    report_hint: "A worker draws it page by page. Reload, close the window, kill the worker: it goes on, and this page is told.",
  },
  ko: {
    skip: "메시지 입력란으로 바로가기", rooms: "대화방", close: "닫기", notifications: "알림",
    join_label: "다른 방 열기", join_example: "사랑방, maple …", join: "열기", leave: "{room} 나가기",
    name_label: "이름", name_hint: "말 앞에 붙습니다. 창마다 다른 이름을 쓸 수 있습니다.",
    retry: "지금 연결", copy_link: "이 방의 링크 복사", copied: "복사했습니다", copy: "복사",
    newer: "새 메시지 ↓", say_label: "메시지", say_as: "{name}님, 한마디 해 보세요", send: "보내기",
    say_hint: "Enter로 보내고 Shift + Enter로 줄을 바꿉니다",
    unread: "읽지 않은 메시지 {n}개", connecting: "연결 중 …", open: "연결됨", waiting: "{s}초 뒤 다시 연결",
    waiting_now: "다시 연결 중 …", offline: "오프라인입니다", refused: "입장 거부", ended: "닫힘 ({code})", idle: "연결 안 됨",
    say_connecting: "{room}에 연결 중", say_open: "{room}에 연결됨", say_waiting: "{room}의 연결이 끊겼습니다. 곧 다시 연결합니다.",
    say_refused: "서버가 {room} 입장을 거부했습니다", say_ended: "서버가 {room} 연결을 닫았습니다", say_idle: "{room}에서 나왔습니다",
    empty_title: "마당이 고요합니다", empty_text: "인사를 건네거나, 창을 하나 더 열어 스스로 답해 보세요.",
    empty_link: "창 하나 더 열기", joined: "{who} 님이 들어왔습니다", left: "{who} 님이 나갔습니다", guest: "손님 {tag}",
    queued: "연결을 기다리는 중", sending: "보내는 중", refused_note: "전달되지 않았습니다: {why}",
    lost: "연결이 끊겨 도착하지 않았을 수 있습니다.", again: "다시 보내기", full: "기다리는 메시지가 너무 많습니다",
    people: "지금 있는 사람", people_n: "{n}명: 이 방에 있는 사람", people_empty: "여기서는 아무도 보이지 않습니다.", here_since: "들어온 때",
    here_tabs: "창 {n}개, 들어온 때", seen: "마지막으로 본 때", seen_at: "나간 때",
    people_hint: "알림에 토큰을 넣으면 방에서도 그 사용자가 됩니다. 없으면 손님입니다.",
    typing_one: "{who} 님이 쓰고 있습니다", typing_two: "{who} 님과 {other} 님이 쓰고 있습니다", typing_many: "{n}명이 쓰고 있습니다",
    websocket: "WebSocket", http_stream: "HTTP 스트림", sse: "SSE", transport_note: "이 방의 전송 방식: {transport}",
    transport_label: "전송 방식", transport_best: "자동",
    missing_title: "패키지가 아직 없습니다", missing_text: "마당은 남의 코드를 싣고 다니지 않습니다. npm이 이 페이지가 찾는 곳에 패키지를 둡니다:",
    missing_then: "그런 다음 이 페이지를 다시 불러오세요. ./dev run은 저절로 합니다.",
    other_page: "같은 방을 npm 패키지 centrifuge로 보기", this_page: "같은 방을 WebSocket으로 보기",
    you: "나", room_log: "{room}의 메시지",
    token_label: "토큰 (JWT)", connect: "연결", disconnect: "끊기", token_how: "토큰을 얻는 방법",
    token_server: "32바이트 이상의 비밀 값을 정해 서버를 시작합니다:",
    token_make: "같은 비밀 값으로 사용자 42의 한 시간짜리 토큰에 서명합니다:",
    token_kept: "토큰은 이 페이지에만 있습니다. 저장하지 않으며, 새로 고치면 사라집니다.",
    notify_idle: "연결 안 됨", notify_connecting: "연결 중 …", notify_open: "사용자 {user}의 알림을 기다립니다", notify_waiting: "연결이 끊겨 다시 연결 중 …",
    notify_refused: "거부됨: 서버가 이 토큰을 받지 않습니다", notify_ended: "서버가 닫았습니다 ({code})",
    notify_expired: "만료된 토큰입니다. 새로 서명해 주세요", this_user: "?",
    reports: "보고서", report_label: "PDF 제목", report_example: "A day in the yard", report_pages: "쪽수", report_make: "PDF 만들기",
    report_empty: "아직 부탁한 보고서가 없습니다.", report_waits: "작업자를 기다리는 중", report_page: "{pages}쪽 중 {page}쪽", report_retry: "곧 이어서 만듭니다",
    report_ready: "완성: {n}쪽", report_failed: "만들지 못했습니다", report_gone: "더 이상 보관되어 있지 않습니다", report_download: "내려받기",
    report_download_of: "{title} 내려받기", report_forget: "{title} 목록에서 지우기", report_refused: "접수되지 않았습니다: {why}",
    report_taken: "{title}: 만드는 중", report_ready_of: "{title}: 내려받을 수 있습니다",
    report_hint: "작업자가 한 쪽씩 그립니다. 새로 고치거나 창을 닫거나 작업자를 죽여도 이어서 만들고, 이 페이지에 알립니다.",
  },
};

export const language = {
  now: "en",
  other() { return this.now === "en" ? "ko" : "en"; },
};

export function t(key, values = {}) {
  return sentences[language.now][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Fills the elements that carry data-text, data-label (aria-label and tooltip) and data-placeholder.
export function translate(root) {
  document.documentElement.lang = language.now;
  for (const e of root.querySelectorAll("[data-text]")) e.textContent = t(e.dataset.text);
  for (const e of root.querySelectorAll("[data-label]")) {
    e.setAttribute("aria-label", t(e.dataset.label));
    if (e.matches("button, a")) e.title = t(e.dataset.label);
  }
  for (const e of root.querySelectorAll("[data-placeholder]")) e.placeholder = t(e.dataset.placeholder);
}
