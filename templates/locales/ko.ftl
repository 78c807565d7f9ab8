# 대기 페이지(한국어). 각 문구의 뜻은 en.ftl에 있습니다.
direction = ltr
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = 앞에 {$n}명
title-next = 다음 차례입니다
title-none = 대기 중
title-ready = 차례가 되었습니다
title-paused = 일시 중지
title-closed = 마감
title-cookies = 쿠키가 꺼져 있음
title-lost = 순번 만료

in-line = 대기 중입니다
paused = 대기열이 일시 중지되었습니다
paused-about = 지금은 입장이 멈춰 있습니다. 순번은 유지되며, 재개되면 자동으로 진행됩니다.
closed = 지금은 닫혀 있습니다
closed-about = 지금은 입장과 순번 발급이 모두 멈춰 있습니다. 이 페이지가 계속 확인하며 자동으로 진행됩니다.
your-turn = 차례가 되었습니다
opening = 요청하신 페이지를 여는 중입니다.
unsent-yet = 입력하신 내용이 아직 전송되지 않았습니다. 지금 보내세요. 브라우저가 확인을 요청할 수 있습니다.
turn-until = {$clock}까지 입장할 수 있습니다.
cookies-off = 쿠키가 꺼져 있습니다
cookies-about = 순번은 쿠키에 저장되는데, 이 브라우저가 쿠키를 돌려보내지 않았습니다. 쿠키가 없으면 차례가 되었는지 알 수 없습니다.
cookies-hint = 이 사이트의 쿠키를 허용하거나 비공개 모드를 끄고 다시 시도하세요.
place-ended = 순번이 만료되었습니다
place-ended-about = 이 브라우저에서 {$time} 넘게 응답이 없었거나 대기열이 새로 시작되었습니다.
place-ended-unsent = 새 순번을 받으면 양식이 다시 전송됩니다. 브라우저가 확인을 요청할 수 있습니다.

people-ahead = 명이 앞에 있습니다
next = 다음 차례입니다
next-about = 앞에 아무도 없습니다.
finding = 잠시만요
finding-about = 순번을 확인하고 있습니다.
progress = 대기열 진행 상황
joined = {$clock}부터 대기
goal = 내 차례

wait = 예상 대기 시간
wait-unknown = 아직 알 수 없음
wait-soon = 1분 미만
wait-minutes = 약 {$low}~{$high}분
wait-minutes-most = 최대 {$high}분
wait-minutes-even = 약 {$high}분
wait-hours = 약 {$low}~{$high}시간
wait-hours-most = 최대 {$high}시간
wait-hours-even = 약 {$high}시간

last-answer = 마지막 응답
waiting-all = {$n}명 대기 중
reconnecting = 다시 연결하는 중…
reconnecting-about = 순번은 유지됩니다. 표시된 값은 마지막 응답 기준입니다.
nothing-sent = 아무것도 전송되지 않았습니다.
nothing-sent-about = 입력하신 내용이 사이트에 전달되지 않았습니다. 차례가 되면 보낼 수 있도록 이 탭을 열어 두세요.
note = 안내

enter = 지금 입장
send = 지금 보내기
try-again = 다시 시도
new-tab = 새 탭에서 열기
new-place = 새 순번 받기
check-now = 지금 확인

no-script = 이 페이지는 {$time}마다 자동으로 확인합니다.
no-script-unsent = 가끔 이 페이지를 새로고침하세요. 차례가 될 때까지 이 페이지가 보이고, 그다음 입력 내용이 전송됩니다. 브라우저가 먼저 확인합니다.

at-turn = 차례가 되면
at-turn-about = 요청하신 주소가 자동으로 열립니다. 아무것도 하지 않으셔도 됩니다.
at-turn-unsent = 입력 내용을 한 번의 클릭으로 보낼 수 있습니다. 마음대로 전송되지 않습니다.
kept = 순번이 유지됩니다
kept-about = 새로고침해도 괜찮습니다. {$time}까지는 탭을 닫거나 휴대전화를 잠가도 됩니다. 같은 브라우저로 돌아오면 순번이 그대로입니다.
kept-unsent = 휴대전화를 잠그거나 연결이 끊겨도 괜찮습니다. {$time}까지 자리를 비울 수 있습니다. 이 탭을 닫으면 입력 내용은 사라지지만 순번은 남습니다.
inside = 입장한 뒤
inside-about = 이용 시간은 {$time}입니다.
inside-renewed = 이용 시간은 {$time}입니다. 페이지를 열 때마다 다시 시작되며 모두 합쳐 최대 {$most}입니다.

hold = 시간이 더 필요하신가요?
hold-about = {$time} 동안 다른 분을 먼저 보낼 수 있습니다. 순번은 유지되며, 돌아오시면 곧 입장합니다.
hold-start = 먼저 보내기
hold-on = {$clock}까지 다른 분이 먼저 입장합니다. 순번은 유지됩니다.
hold-end = 돌아왔습니다

seconds = {$n}초
minutes = {$n}분
hours = {$n}시간
