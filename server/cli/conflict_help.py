"""What `onegrid conflict resolve --help` says before its options."""

from typing import Final

RESOLVE: Final = """处理 / settle a conflict, or many alike: a new revision, with who and why.

\b
--take server    保留服务器现有内容 / keep the item as it is now
--take incoming  采纳离线修改;离线删除则删除,已删除的则恢复
                 take the parked edit: deletes, or restores what was deleted
                 重复:删除后来的一个;案件操作:由现在的状态再做一次
                 a duplicate: delete the second; a step of a case: take it
                 from the present state
--take merge     逐栏决定 / decide by field, with --field and --set;
                 每个冲突栏都须指定 / every field in conflict must be named
--grid CODE      编码冲突:指定所属网格 / a conflict about a code: name the grid
--link ITEM      重复:并入该事项;引用它的改为引用该事项,手机以后送来的修改
                 也记到该事项 / a duplicate: it and ITEM are one; what refers
                 to it refers to ITEM, and later edits of it go there

尚未列入的新事项,server 为不采纳(删除),incoming 为列入;同一变更集须整体
处理的,一并采纳或不采纳。

Of a new item that is held, server drops it and incoming takes it in. What belongs to an all-or-nothing set is taken
or dropped together.

VALUE:多选用逗号分隔,是否写 true/false,位置写 JSON;留空则清除该栏。

VALUE: options of a set are separated by commas, yes/no is true/false, a position is JSON; nothing clears a field.

--where 处理所有符合的未决冲突,条件:kind、division、type、older-than、author。
每个冲突各自提交;中断后重新运行同一命令即从未处理的继续。不能处理的列出
原因,不影响其他。每批有编号,可用 undo --run 整批撤销。

--where settles all open conflicts that fit. Each is committed by itself; the same command again goes on with what
is still open. What cannot be settled is told with its reason and holds up nothing else. A run has an id, by which
undo --run takes all of it back.

\b
例 / Examples:
  onegrid conflict resolve 1a2b3c --take server --as 13800000005 \\
      --reason "以户口本为准 as in the household register"
  onegrid conflict resolve 1a2b3c --take merge --as 13800000005 \\
      --field name=incoming --set phone=13900001234 \\
      --reason "当面核实 checked in person" --dry-run
  onegrid conflict resolve 1a2b3c --grid 341182001001002 --as 13800000005 \\
      --reason "按门牌核对 as on the door plate"
  onegrid conflict resolve 1a2b3c --as 13800000005 \\
      --link 019b0000-0000-7000-8000-000000000001 \\
      --reason "同一户 the same household"
  onegrid conflict resolve --where kind=update_update,type=0101,older-than=3d \\
      --take server --as 13800000005 \\
      --reason "逾期未核实 not checked in time" --dry-run
"""
