"""What `onegrid case step --help` says before its options."""

from typing import Final

STEP: Final = """办理一步 / take a case one step further, as the desk or the department does.

\b
accept       立案
decline      不予立案,须 --code
dispatch     派遣,须 --organisation,可加 --tier;期限按目录计算
             to an organisation; the catalogue sets the deadline
attach       增加协办单位,须 --organisation / another one assists
set_urgency  调整紧急程度,须 --urgency
sign         签收
handle       处置完毕,可加 --photo
verify       现场核实通过;照片未到可写 --waiver
redo         核实未通过,须 --note / not in order: handle again
close        结案
send_back    回退,须 --code,由受理台批准 / wrongly dispatched
extend       延期,须 --code 和 --until,须批准 / more time
hold         挂账,须 --code,须批准 / on hold
resume       恢复办理
void         作废,须 --code,须批准
reopen       重新立案,须 --note
escalate     督办升级(已超期)/ overdue: to the tier above
approve      同意申请 / grant what was asked for
refuse       不同意申请
withdraw     撤回自己的申请

\b
--code 的可选值在 case show --json 的 next 中,写错时也会列出。--reason 记入审计,
--code 和 --note 留在案件经过中。--dry-run 照样判定,不写入。时间为北京时间。

Codes for --code are in `next` of `case show --json`, and listed where one is lacking. --reason goes to the audit
trail; code and note to the history of the case. A dry run decides it all and writes nothing. Times are those of
Beijing. What is refused says which steps are open to you.

\b
例 / Examples:
  onegrid case step 0198f3a2-6c1b accept --as 13800000009 \\
      --reason "情况属实 it is so"
  onegrid case step 0198f3a2-6c1b dispatch --organisation xiaofang \\
      --tier county --as 13800000009 --reason "属消防职责 for the fire office"
  onegrid case step 0198f3a2-6c1b extend --code ex_materials \\
      --until "2026-03-20 18:00" --as 13800000010 \\
      --reason "配件未到 parts are late" --dry-run
  onegrid case step 0198f3a2-6c1b approve --request extend \\
      --as 13800000006 --reason "同意 granted"
"""
