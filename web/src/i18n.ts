// Both languages of the interface side by side. A missing text is a type error,
// so it cannot be forgotten. Terms follow the project's glossary.
import { createContext, useContext } from "react";

export type Lang = "ja" | "en";

const texts = {
  centre: ["統括", "Coordination"],
  beacon: ["狼煙", "Beacon"], observe: ["観測", "Observe"], findings: ["所見", "Findings"], indicators: ["指標", "Indicators"],
  share: ["共有", "Share"], search: ["検索", "Search"], nodes: ["ノード", "Nodes"],
  timeToProtect: ["防護までの時間", "Time to protect"], notYet: ["未防護のエッジ", "Not yet protected"],
  falseBlock: ["取消された遮断の割合", "Blocks revoked"], heldByGate: ["安全弁で判断待ち", "Held by the gate"],
  median: ["中央値", "median"], last24: ["直近24時間", "last 24 hours"], signals: ["件の狼煙", "signals"],
  nobody: ["全エッジが防護済み", "every edge is protected"], noSignalYet: ["まだ狼煙は上がっていません", "No signal yet"],
  tryDrill: ["別の端末で noroshi drill を実行すると、訓練の狼煙が走ります。", "Run noroshi drill in a second terminal to watch a rehearsed signal run."],
  sensed: ["検知", "sensed"], found: ["判明", "found"], decided: ["決定", "decided"], durable: ["保存", "durable"],
  received: ["到達", "received"], enforced: ["遮断", "enforced"], acknowledged: ["確認", "acknowledged"],
  towers: ["塔", "Towers"], towersKey: ["灯=防護を確認 · 枠=未確認 · 点=エッジなし", "lit = confirmed · outlined = not yet · dot = no edge"],
  listOfSignals: ["狼煙の一覧", "Signals"], jk: ["J / K で移動 · Enter で開く", "J / K to move · Enter to open"],
  exercise: ["訓練", "Exercise"], real: ["本番", "Real"], waitsForPerson: ["判断待ち", "waits for a person"],
  revoked: ["取消済", "revoked"], expired: ["期限切れ", "expired"], active: ["有効", "active"], held: ["判断待ち", "held"], refused: ["却下", "refused"], proposed: ["提案", "proposed"],
  new: ["未対応", "new"], escalated: ["指標化", "escalated"], closed: ["完了", "closed"], dismissed: ["誤検知", "dismissed"], all: ["すべて", "all"],
  informational: ["参考", "info"], low: ["低", "low"], medium: ["中", "medium"], high: ["高", "high"], critical: ["緊急", "critical"],
  blocksOf: ["件中", "of"], blocks: ["件の遮断", "blocks"], needsYou: ["判断を待つ指標があります", "indicators wait for a person"], allCalm: ["判断を待つものはありません", "nothing waits for a person"],
  findingsNeed: ["件の所見が未対応です", "findings are open"], findingsCalm: ["未対応の所見はありません", "no finding is open"],
  asOf: ["時点", "as of"], help: ["ヘルプ", "Help"], signOut: ["退出", "Sign out"], language: ["English", "日本語"],
  theme: ["配色", "Theme"], filter: ["絞り込み", "Filter"], level: ["重大度", "Level"], title: ["内容", "What"], device: ["端末", "Device"], org: ["組織", "Organisation"],
  count: ["回数", "Count"], lastSeen: ["最終", "Last seen"], firstSeen: ["初回", "First seen"], why: ["検知の理由", "Why it fired"], evidence: ["証拠", "Evidence"], nearby: ["前後の出来事", "Near it in time"],
  observables: ["観測値", "Observables"], makeIndicator: ["指標にする (I)", "Make an indicator (I)"], close: ["完了にする (E)", "Close (E)"], dismiss: ["誤検知 (D)", "Dismiss (D)"], reopen: ["未対応に戻す", "Reopen"],
  reason: ["理由", "Reason"], reasonHint: ["遮断された人が読みます", "read by the one who is blocked"], action: ["処置", "Action"], block: ["遮断", "block"], sinkhole: ["誘導", "sinkhole"], observeOnly: ["観測のみ", "observe"],
  confidence: ["確度", "Confidence"], validHours: ["有効時間 (h)", "Valid (h)"], cancel: ["やめる (Esc)", "Cancel (Esc)"], decide: ["決定", "Decide"], 
  emptyFindings: ["条件に合う所見はありません。センサーを加えるか、絞り込みを緩めてください。", "No finding fits. Add a sensor, or widen the filter."],
  emptyIndicators: ["条件に合う指標はありません。所見の画面で I を押すと作れます。", "No indicator fits. Press I on a finding to make one."],
  pickOne: ["左の一覧から選ぶと、ここに詳細が出ます。", "Choose a line on the left: its details appear here."],
  gate: ["安全弁の判定", "Gate verdict"], pass: ["通過", "pass"], clock: ["時計", "Clock"], deliveries: ["エッジごとの確認", "Confirmed edge by edge"], sightings: ["観測", "Sightings"], history: ["履歴", "History"],
  revoke: ["取消す (R)", "Revoke (R)"], release: ["有効にする", "Release"], refuse: ["却下する", "Refuse"], confirmed: ["確認済", "confirmed"], waiting: ["待ち", "waiting"], diverged: ["不一致", "diverged"], away: ["応答なし", "away"], cut: ["切断", "cut"],
  validUntil: ["有効期限", "Valid until"], policy: ["方針", "policy"], noReasons: ["該当なし", "nothing found against it"], copied: ["コピーしました", "copied"],
  queryHint: ["LogsQL(例: class:=dns \"query.hostname\":~\"test\")", "LogsQL, for example: class:=dns \"query.hostname\":~\"test\""], run: ["検索", "Search"], rows: ["行", "rows"], fields: ["項目", "Fields"], topValues: ["上位の値", "Top values"], took: ["所要", "took"], more: ["上限まで表示。条件を絞ってください", "shown up to the limit; narrow the query"],
  emptySearch: ["この期間に合う出来事はありません。期間か条件を変えてください。", "No event fits in this span. Change the span or the query."], lastMinutes: ["直近", "last"], passiveDns: ["パッシブDNS", "Passive DNS"], pdnsHint: ["名前、*.名前、またはアドレス", "a name, *.name or an address"], name: ["名前", "Name"], type: ["型", "Type"], data: ["データ", "Data"],
  role: ["役割", "Role"], state: ["状態", "State"], tier: ["方式", "Tier"], lag: ["遅れ", "Lag"], drops: ["欠落", "Dropped"], perSecond: ["毎秒", "per second"], spooled: ["滞留", "Spooled"], cannotSee: ["見えないもの", "What it cannot see"], cutOff: ["切断する", "Cut off"], certificateEnds: ["証明書の期限", "Certificate ends"], certificateOverdue: ["証明書が更新されていません。期限が過ぎると接続できません。", "The certificate was not renewed. The node cannot connect after it ends."], enrol: ["ノードを加える", "Enrol a node"], enrolDone: ["このコマンドを一度だけ、加える端末で実行してください。", "Run this command once on the machine that joins."], sensor: ["センサー", "sensor"], resolver: ["解決器", "resolver"], version: ["版", "Version"], task: ["分担", "Task"], quarantine: ["隔離された入力", "Quarantined input"], quarantineNone: ["隔離された入力はありません", "no input was quarantined"], make: ["作る", "Make"], blockedCount: ["遮断", "blocked"], nodesNeed: ["台のノードが応答していません", "nodes do not report"], nodesCalm: ["全ノードが応答しています", "every node reports"],
  signInTitle: ["入口", "Sign in"], signInHint: ["起動した端末に表示された一度だけのリンクを開いてください。noroshi hub link で新しいリンクを作れます。", "Open the one-time link that the platform printed when it started; noroshi hub link prints another."], signingIn: ["入室中…", "Signing in…"],
  government: ["府省庁", "Government"], health: ["医療", "Health"], local: ["地方公共団体", "Local government"], energy: ["電力・ガス", "Energy"], finance: ["金融", "Finance"], telecom: ["通信", "Telecom"], logistics: ["物流・港湾", "Logistics"], other: ["その他", "Other"], centreSector: ["統括", "Centre"],
  keys: ["キー操作", "Keys"], unknownPage: ["このページはありません", "There is no such page"], failed: ["読み込めません", "Could not be read"], palette: ["移動・検索 (Ctrl K)", "Go to, search (Ctrl K)"], seconds: ["秒", "s"], ofEdges: ["エッジ", "edges"], eventsPer15: ["出来事の数と狼煙", "events and signals"], confirmReason: ["理由を入力して Enter", "reason, then Enter"], openAll: ["指標を開く", "Open the indicator"],
  helpBeacon: ["この画面は、攻撃を検知してから全組織で遮断が確認されるまでの時間を示します。塔は組織です。灯れば、そのすべての解決器が最新の遮断を確かに効かせています(集合の要約値で証明)。", "This page shows the time from sensing an attack to a confirmed block in every organisation. A tower is an organisation; it is lit when all its resolvers proved, by the digest of the whole set, that they enforce the newest state."],
  helpFindings: ["同じ端末・同じ規則・同じ対象の出来事は一件の所見にまとまります。J/K で移動、Space で詳細、E 完了、D 誤検知、I 指標化、/ 絞り込み、X 選択。", "What happens again on one machine under one rule is one finding. J/K move, Space peek, E close, D dismiss, I make an indicator, / filter, X select."],
  helpIndicators: ["指標は安全弁を通ってから配られます。判断待ちは人が有効にするまで配られません。R で取消すと全エッジで解除され、確認されます。y で無害化した値、Y で元の値をコピーします。", "An indicator passes the gate before it is pushed; what is held waits for a person. R revokes it everywhere, with proof. y copies the value defanged, Y raw."],
  helpSearch: ["すべての出来事を LogsQL で検索します。値を押すと条件に加わり、項目を押すと上位の値が出ます。", "Searches every event with LogsQL. A click on a value adds it to the query; a click on a field shows its top values."],
  helpNodes: ["ノードが何を見ているか、何を見られないか、どれだけ遅れているかを示します。切断すると一秒以内に接続が切れ、二度と入れません。", "Shows what each node sees, what it cannot see, and how far behind it is. A node that is cut off is out at once and cannot return."],
  status: ["稼働状況", "Status"], fine: ["正常", "fine"], slow: ["遅延", "slow"], stuck: ["停止", "stuck"],
  spool: ["端末", "Spool"], receive: ["受領", "Receive"], judge: ["判定", "Judge"], store: ["保存", "Store"], push: ["配信", "Push"], acknowledge: ["確認", "Acknowledge"],
  hop_spool: ["記録は各ノードのディスクに書かれ、ハブが受け取るまで残ります。", "Events are written to each node's disk and stay until the hub has them."],
  hop_receive: ["ハブが束を受け取り、ディスクに確実に残してから返事をするまで。", "The hub takes a batch, and answers once it is on disk."],
  hop_judge: ["束が規則と指標に照らされるまで。", "Batches are shown to rules and indicators."],
  hop_store: ["束がイベントストアに確実に保存され、バスから消えるまで。", "Batches become durable in the event store, and the bus forgets them."],
  hop_decide: ["所見が方針と安全弁で判断されるまで。", "Findings are decided on by policies and the gate."],
  hop_push: ["決定した変更がエッジに送られるまで。", "What was decided is pushed to the edges."],
  hop_acknowledge: ["全エッジが最新の状態を要約値で確認するまで。", "Every edge confirms the newest state, by its digest."],
  hopsOfLine: ["流れの各段", "Hops of the line"], parts: ["構成要素", "Parts"], troubleFirst: ["問題のあるものが先", "trouble first"], withTrouble: ["問題あり", "with trouble"], noParts: ["問題のあるノードはありません。", "No node has trouble."],
  kind: ["種類", "Kind"], what: ["状況", "How it is"], whatToDo: ["対処", "What to do"], since: ["この状態の開始", "so since"], oldest: ["最も古い待ち", "Oldest waiting"], nothingWaits: ["待ちなし", "nothing waits"], waitingNow: ["待ち", "Waiting"], openRows: ["該当する行を開く", "Open the rows"], aSecond: ["/秒", "/s"],
  pickHop: ["段か構成要素を選ぶと、理由と対処が出ます(←→ で段、J/K で構成要素)。", "Choose a hop or a part to see why and what to do (left and right for hops, J and K for parts)."],
  unit_events: ["件", "events"], unit_batches: ["束", "batches"], unit_bundles: ["束", "bundles"], unit_findings: ["件", "findings"], unit_changes: ["件", "changes"], unit_edges: ["台", "edges"],
  hub: ["ハブ", "Hub"], bus: ["バス", "Bus"], eventStore: ["イベントストア", "Event store"], ledger: ["台帳", "Ledger"], disk: ["ディスク", "Disk"], lookBack: ["過去の探索", "Look back"], certificate: ["証明書", "Certificate"], node: ["ノード", "Node"],
  fact_version: ["版", "Version"], fact_started: ["起動", "Started"], fact_memory: ["メモリー", "Memory"], fact_connections: ["接続", "Connections"], fact_waiting: ["待ち", "Waiting"], fact_room: ["上限", "Room"], fact_refused_connections: ["拒否した接続", "Refused connections"], fact_rows: ["行", "Rows"], fact_bytes: ["容量", "Size"], fact_retention: ["保存期間", "Kept for"], fact_failed_writes: ["失敗した書込み", "Failed writes"], fact_refused_batches: ["受け取らなかった束", "Batches not taken"], fact_unkept: ["保管せず計上のみ", "Counted, not kept"], fact_refused: ["起動後の隔離", "Refused since the start"], fact_ends: ["期限", "Ends"], fact_free: ["空き", "Free"], fact_total: ["全体", "Total"], fact_free_percent: ["空きの割合", "Free share"], fact_free_inodes: ["inodeの空き", "Free inodes"], fact_brake_below: ["ブレーキ作動", "Brake closes below"], authority: ["認証局", "authority"], fact_spooled: ["滞留", "Spooled"], fact_dropped: ["欠落", "Dropped"],
  brakeClosed: ["ディスクのブレーキが作動中:", "The disk's brake is closed:"],
  helpStatus: ["左から右へ記録の流れる順に、各段で最も古い待ちの長さを示します。段を選ぶと、何が妨げているか、いつからか、何をすべきかが出ます。止まっている段のうち最も右を直せば、その左は自然に流れ出します。noroshi status でも同じ内容が出ます。", "From left to right in the order in which data flows: how long the oldest thing waits at each hop. Choose a hop to see what limits it, since when, and what to do. Mend the rightmost hop that is stuck: what is left of it flows again by itself. noroshi status says the same."],
  selected: ["件を選択", "selected"], span: ["期間", "Span"], expires: ["期限", "expires"],
} satisfies Record<string, [string, string]>;

export type Key = keyof typeof texts;
export const LangContext = createContext<Lang>("ja");

export function translate(lang: Lang, key: Key): string {
  return texts[key][lang === "ja" ? 0 : 1];
}

export function useT() {
  const lang = useContext(LangContext);
  return {
    lang,
    t: (key: Key) => translate(lang, key),
    // word translates a value of the API, such as a state, if there is a word.
    word: (v: string) => (v in texts ? translate(lang, v as Key) : v),
    pick: (en: string, ja?: string) => (lang === "ja" && ja ? ja : en),
  };
}

export const keys = Object.keys(texts) as Key[];

// Times in the reader's zone; in Japanese the date in the imperial calendar.
export function clockTime(at: string, lang: Lang): string {
  if (!at || at.startsWith("0001")) return "—";
  const d = new Date(at);
  const time = d.toLocaleTimeString(lang === "ja" ? "ja-JP" : "en-GB", { hour12: false });
  if (Date.now() - d.getTime() < 20 * 3600 * 1000) return time;
  return d.toLocaleDateString(lang === "ja" ? "ja-JP" : "en-GB", { month: "short", day: "numeric" }) + " " + time;
}

export function longDate(d: Date, lang: Lang): string {
  return lang === "ja"
    ? new Intl.DateTimeFormat("ja-JP-u-ca-japanese", { dateStyle: "long" }).format(d) + new Intl.DateTimeFormat("ja-JP", { weekday: "short" }).format(d).replace(/^/, "(") + ")"
    : new Intl.DateTimeFormat("en-GB", { dateStyle: "full" }).format(d);
}

// duration writes milliseconds as a person reads them.
export function duration(ms: number, lang: Lang): [string, string] {
  if (ms < 1000) return [ms < 10 ? ms.toFixed(1) : Math.round(ms).toString(), "ms"];
  if (ms < 60_000) return [(ms / 1000).toFixed(2), translate(lang, "seconds")];
  return [Math.round(ms / 60_000).toString(), lang === "ja" ? "分" : "min"];
}

// bytes writes an amount of data as a person reads it.
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const v = n / 1024 ** i;
  return `${i === 0 || v >= 100 ? v.toFixed(0) : v.toFixed(1)} ${units[i]}`;
}
