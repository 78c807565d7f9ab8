# 待合ページ(日本語)。各文の意味は en.ftl にあります。
direction = ltr
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = あと{$n}人
title-next = 次はあなたの番です
title-none = 順番待ち
title-ready = あなたの番です
title-paused = 一時停止中
title-closed = 受付終了
title-cookies = Cookie が無効です
title-lost = 順番の期限切れ

in-line = 順番をお待ちください
paused = 順番待ちは一時停止中です
paused-about = 現在、入場を止めています。順番は保たれ、再開すると自動で進みます。
closed = 現在受け付けていません
closed-about = 現在、入場も順番の受付も止めています。このページは確認を続け、再開すると自動で進みます。
your-turn = あなたの番です
opening = ご希望のページを開いています。
unsent-yet = 入力内容はまだ送信されていません。今すぐ送信してください。ブラウザーが確認を求めることがあります。
turn-until = {$clock}まで入場できます。
cookies-off = Cookie が無効です
cookies-about = 順番は Cookie に保存されますが、このブラウザーから返されませんでした。Cookie がないと、順番が来たことを確認できません。
cookies-hint = このサイトの Cookie を許可するか、プライベートブラウズを終了して、もう一度お試しください。
place-ended = 順番の期限が切れました
place-ended-about = このブラウザーから{$time}以上応答がなかったか、順番待ちが最初からやり直されました。
place-ended-unsent = 新しく並ぶとフォームがもう一度送信されます。ブラウザーが確認を求めることがあります。

people-ahead = 人が前にいます
next = 次はあなたの番です
next-about = 前には誰もいません。
finding = お待ちください
finding-about = 順番を確認しています。
progress = 順番の進み具合
joined = {$clock}から待機
goal = あなたの番

wait = 予想待ち時間
wait-unknown = まだ分かりません
wait-soon = 1分未満
wait-minutes = 約{$low}〜{$high}分
wait-minutes-most = 最大{$high}分
wait-minutes-even = 約{$high}分
wait-hours = 約{$low}〜{$high}時間
wait-hours-most = 最大{$high}時間
wait-hours-even = 約{$high}時間

last-answer = 最終応答
waiting-all = {$n}人が待機中
reconnecting = 再接続しています…
reconnecting-about = 順番は保たれています。表示は最後の応答のものです。
nothing-sent = 何も送信されていません。
nothing-sent-about = 入力内容はサイトに届いていません。順番が来たら送信できるよう、このタブを開いたままにしてください。
note = お知らせ

enter = 今すぐ入場
send = 今すぐ送信
try-again = もう一度試す
new-tab = 新しいタブで開く
new-place = もう一度並ぶ
check-now = 今すぐ確認

no-script = このページは{$time}ごとに自動で確認します。
no-script-unsent = ときどきこのページを再読み込みしてください。順番が来るまではこのページが表示され、その後入力内容が送信されます。送信前にブラウザーが確認します。

at-turn = 順番が来たら
at-turn-about = ご希望のページが自動で開きます。操作は必要ありません。
at-turn-unsent = 入力内容をワンクリックで送信できます。勝手に送信されることはありません。
kept = 順番は保たれます
kept-about = 再読み込みしても問題ありません。{$time}以内なら、タブを閉じたり端末をロックしたりしても、同じブラウザーで戻れば順番はそのままです。
kept-unsent = 端末のロックや通信の切断は問題ありません。{$time}まで離れていられます。このタブを閉じると入力内容は失われますが、順番は残ります。
inside = 入場後
inside-about = ご利用時間は{$time}です。
inside-renewed = ご利用時間は{$time}です。ページを開くたびに延長され、合計で最大{$most}です。

hold = もう少し時間が必要ですか？
hold-about = {$time}のあいだ、ほかの人に先を譲れます。順番は保たれ、戻ればすぐに呼ばれます。
hold-start = 先を譲る
hold-on = {$clock}までほかの人に先を譲っています。順番は保たれています。
hold-end = 戻りました

seconds = {$n}秒
minutes = {$n}分
hours = {$n}時間
