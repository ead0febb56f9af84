"""The one catalogue of errors: every refusal that leaves the server has its code, status and words here.

A code is stable for ever; its words may be bettered. `docs/errors.md` is generated from this table. No text ever holds
a value that somebody entered.
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorKind(NamedTuple):
    """One line of the catalogue; `status` is the HTTP status where the refusal is an answer of its own."""

    status: int
    zh: str
    en: str


CATALOGUE: dict[str, ErrorKind] = {
    # The request itself
    "body_malformed": ErrorKind(
        400, "请求内容无法解析,请检查格式后重发。", "The body cannot be read; check its form and send it again."
    ),
    "body_too_large": ErrorKind(413, "请求过大,请分批发送。", "The body is too large; send it in parts."),
    "encoding_unknown": ErrorKind(415, "不支持的压缩或内容类型。", "This content type or encoding is not supported."),
    "parameter_invalid": ErrorKind(400, "参数不正确。", "A parameter is not valid."),
    "not_found": ErrorKind(404, "找不到,或您无权查看。", "Not found, or not yours to see."),
    "method_not_allowed": ErrorKind(405, "此地址不支持该操作。", "This address does not support that method."),
    "internal_error": ErrorKind(500, "服务器内部错误,请稍后重试。", "An internal error; try again later."),
    "not_ready": ErrorKind(
        503, "服务正在启动或暂不可用,请稍后重试。", "The service is starting or not available; try again shortly."
    ),
    "events_full": ErrorKind(
        503,
        "同时等候通知的手机过多,请改为定时询问。",
        "Too many phones wait for nudges here; ask now and then instead.",
    ),
    # Who you are
    "token_missing": ErrorKind(401, "请先登录。", "Sign in first."),
    "token_unknown": ErrorKind(401, "登录已失效,请重新登录。", "The sign-in is no longer valid; sign in again."),
    "token_expired": ErrorKind(401, "令牌已过期,请刷新。", "The access token has expired; refresh it."),
    "token_superseded": ErrorKind(
        401, "该刷新令牌已被替换,请使用新的令牌。", "This refresh token was replaced; use the newer one."
    ),
    "login_failed": ErrorKind(401, "手机号或密码不正确。", "The phone number or the password is not right."),
    "login_locked": ErrorKind(429, "失败次数过多,请稍后再试。", "Too many failures; try again later."),
    "enrolment_code_invalid": ErrorKind(
        400,
        "注册码无效、已使用或已过期,请向管理员索取新的。",
        "The enrolment code is unknown, used or expired; ask for a new one.",
    ),
    "ticket_invalid": ErrorKind(
        400,
        "注册凭证无法使用,请向管理员索取注册码。",
        "The enrolment ticket cannot be used here; ask for an enrolment code.",
    ),
    "device_known": ErrorKind(
        409,
        "此设备在册,凭证不能代替令牌;令牌失效时请向管理员索取注册码。",
        "The device is known here and its ticket opens nothing: use its tokens, or ask for an enrolment code.",
    ),
    "fork_unknown": ErrorKind(
        409,
        "服务器没有因编号重复拒收过此变更集,无需另立设备。",
        "No set of this number and hash was refused as forked; the device is its own.",
    ),
    "fork_needless": ErrorKind(
        409, "此刷新令牌仍可使用,请直接刷新。", "This refresh token is good: refresh with it, the device is its own."
    ),
    "fork_spent": ErrorKind(
        409,
        "以此安装标识另立的设备已启用,请另生成安装标识。",
        "The device made for this install is in use; make another install for another copy.",
    ),
    "fork_too_often": ErrorKind(
        429, "近期另立的设备过多,请稍后再试或联系管理员。", "Too many devices were made so lately; try again later."
    ),
    "device_already_revoked": ErrorKind(
        409,
        "该设备此前已停用;如要继续使用,请重新注册。",
        "The device was revoked before; to go on using it, enrol it again.",
    ),
    "directive_open": ErrorKind(
        409,
        "此前已向该设备下达同样的指令,设备尚未完成。",
        "The device was asked for this before and has not done it yet.",
    ),
    "password_weak": ErrorKind(400, "密码至少 8 位,且含三类字符。", "A password needs 8 characters of three kinds."),
    "forbidden": ErrorKind(403, "您的角色不能执行此操作。", "Your role does not allow this."),
    "device_mismatch": ErrorKind(403, "设备与令牌不符。", "The device named is not the one this token belongs to."),
    "device_needed": ErrorKind(403, "此接口只供已注册的设备使用。", "Only an enrolled device may use this."),
    "csrf_failed": ErrorKind(403, "页面已过期,请刷新后重试。", "The page has expired; reload it and try again."),
    "search_too_short": ErrorKind(
        400, "请输入至少两个相连的字符。", "Write at least two characters that stand together."
    ),
    "search_empty": ErrorKind(400, "请写明要查找的内容。", "Say what to look for."),
    "search_needs_community": ErrorKind(
        400,
        "按姓氏查找须指明一个社区(12 位代码)。",
        "A surname is looked for within one community: give its code of 12 digits.",
    ),
    "reason_needed": ErrorKind(400, "请填写原因。", "Give a reason."),
    "next_key_needed": ErrorKind(
        400,
        "请把新的主密钥写入 ONEGRID_MASTER_KEY_NEXT(openssl rand -base64 32),并与现用的不同。",
        "Set ONEGRID_MASTER_KEY_NEXT to a new master key (openssl rand -base64 32), other than the present one.",
    ),
    "master_key_changed": ErrorKind(
        409, "主密钥已由他人更换,请用新密钥重试。", "The master key was changed meanwhile; try again with the new one."
    ),
    # The audit trail
    "trail_unreadable": ErrorKind(
        422, "这不是导出的审计记录文件,或文件已损坏。", "This is no exported audit trail, or the file is damaged."
    ),
    # The catalogue
    "catalogue_faulty": ErrorKind(422, "这不是可用的事项目录。", "This is no catalogue that can be used."),
    "catalogue_version_invalid": ErrorKind(
        422, "目录版本应写作“年份.序号”,如 2025.1。", "A catalogue's version is a year and a number, such as 2025.1."
    ),
    "catalogue_version_taken": ErrorKind(
        409,
        "该版本已存在,请给新目录一个新版本号。",
        "There is such a version already; give the new one its own.",
    ),
    "catalogue_version_older": ErrorKind(
        409,
        "该版本早于现行目录,请给一个更新的版本号。",
        "This version is older than the current one; give a newer one.",
    ),
    "catalogue_type_removed": ErrorKind(
        422, "事项不能删除:已有台账仍须其表单。", "An item type cannot be removed: stored items need its form."
    ),
    "catalogue_kind_changed": ErrorKind(
        422, "事项的种类不能改变,请新增一个事项。", "The kind of an item type cannot change; add another type."
    ),
    "catalogue_stream_changed": ErrorKind(
        422,
        "事项的同步流类别不能改变:已有台账仍在原流中,请新增一个事项。",
        "The stream class of an item type cannot change, for stored items stay where they are; add another type.",
    ),
    "catalogue_field_renamed": ErrorKind(
        422,
        "字段的键不能改变:已有台账以它存放。名称可以改。",
        "The key of a field cannot change, for stored items have their values under it; its label may.",
    ),
    "catalogue_field_retyped": ErrorKind(
        422,
        "字段的类型不能改变,也不能改为单选或多选,请以新的键另设字段。",
        "A field cannot change its type, nor between one option and several; add a field under another key.",
    ),
    "catalogue_mark_changed": ErrorKind(
        422,
        "字段是否属于个人信息不能改变:已存内容仍按原样封存或明存,请以新的键另设字段。",
        "Whether a field is marked cannot change, for stored values stay as they are; add a field under another key.",
    ),
    "catalogue_code_removed": ErrorKind(
        422,
        "此代码不能删除:已有的任职、单位、案件或审核仍用到它。",
        "This code cannot be removed: posts, organisations, cases or reviews that are stored refer to it.",
    ),
    # The quarantine
    "quarantine_settled": ErrorKind(409, "该项已放行或已丢弃。", "It was released or discarded already."),
    "quarantine_gone": ErrorKind(
        409, "其内容已清除,无法打开。", "Its bytes were erased and cannot be opened any more."
    ),
    "item_salvaged": ErrorKind(
        422,
        "数据库恢复后由手机带回;放行即写回,事项已在的转为冲突。",
        "A phone brought it back after a restore: release it; where the item is there, it becomes a conflict.",
    ),
    "salvage_unreadable": ErrorKind(
        422,
        "数据库恢复后由手机带回,但无法解析,已原样保存;请与本人核对、重新填写后丢弃。",
        "A phone brought it back after a restore and it cannot be read; have it entered again, then discard it.",
    ),
    # Backups
    "backup_running": ErrorKind(
        409,
        "正在进行备份或更换主密钥,请等它结束。",
        "A backup is being made, or the master key changed; wait for it.",
    ),
    "backup_failed": ErrorKind(500, "备份失败。", "The backup failed."),
    "backup_unproved": ErrorKind(
        500, "备份无法恢复,未采用。", "The backup does not restore as it should and was not taken."
    ),
    "backup_unusable": ErrorKind(
        422, "备份不完整或已损坏。", "The backup is not whole, or was altered since it was made."
    ),
    "backup_newer": ErrorKind(
        409, "备份由更新版本的程序写入,请先升级程序。", "A newer program wrote this backup; upgrade this one first."
    ),
    "backup_keys_unusable": ErrorKind(
        422,
        "密钥文件缺失、已损坏,或比备份更早。",
        "The key file is missing or damaged, or older than the backup.",
    ),
    "backup_other_key": ErrorKind(
        422,
        "密钥文件须用另一把主密钥打开,请恢复当时的 keys.json 或设置 ONEGRID_MASTER_KEY。",
        "The key file opens with another master key: put back the keys.json of then, or set ONEGRID_MASTER_KEY.",
    ),
    "restore_target_used": ErrorKind(
        409, "目标数据库不是空的,请另建一个空库。", "The target database is not empty; make a new one."
    ),
    "restore_failed": ErrorKind(500, "恢复失败,原数据库未改动。", "The restore failed; the database is as it was."),
    # People and their assignments
    "phone_invalid": ErrorKind(422, "请填写 11 位手机号。", "Give a mobile number of 11 digits."),
    "phone_taken": ErrorKind(
        409,
        "该手机号已有账号;在您范围内的,请直接任职,否则请联系上级管理员。",
        "There is an account with this number: assign it if it is in your area, else ask an administrator above.",
    ),
    "name_invalid": ErrorKind(
        422, "请填写姓名,至多 50 字。", "Give a name of at most 50 characters that can be printed."
    ),
    "name_differs": ErrorKind(
        422, "姓名与该手机号已有的姓名不一致,请核对。", "Another name belongs to this number; check both."
    ),
    "date_invalid": ErrorKind(422, "日期应写作 2025-03-01。", "Write a day as 2025-03-01."),
    "person_left": ErrorKind(409, "此人已离岗。", "This person has left."),
    "own_appointment": ErrorKind(
        409, "不能为自己任职、免职或离岗,请由他人办理。", "Nobody appoints himself or ends his own posts; ask another."
    ),
    "founded_already": ErrorKind(
        409,
        "已有安全管理员,请由其任免。",
        "There is a security administrator already: have people appointed by them.",
    ),
    "role_unknown": ErrorKind(422, "目录中没有这个角色。", "The catalogue has no such role."),
    "role_not_yours": ErrorKind(
        403,
        "该角色不归您任免:管理、安全、审计三类角色由安全管理员任免,其余由系统管理员任免。",
        "This role is not yours to give: administrators, security administrators and auditors are appointed by a "
        "security administrator, all others by an administrator.",
    ),
    "place_unsuitable": ErrorKind(
        422,
        "该角色不设在此处:网格角色填网格编码,其余填相应层级的区划代码,二者只填其一。",
        "The role does not exist there: grid roles name a grid, others a division of their tier, and only one of both.",
    ),
    "grid_unknown": ErrorKind(422, "您的范围内没有此编码的现行网格。", "No current grid of your area has this code."),
    "division_unknown": ErrorKind(422, "您的范围内没有此区划代码。", "No division of your area has this code."),
    "department_unsuitable": ErrorKind(
        422,
        "部门与任职不符:部门处置员须填在该层级设有机构的部门,其他角色不填部门。",
        "The department does not fit: handlers name one with an office at that tier, other roles name none.",
    ),
    "line_cells": ErrorKind(
        422,
        "此行的列数多于首行,请检查逗号与引号。",
        "The line has more cells than the first line names: check commas and quotes.",
    ),
    "validity_empty": ErrorKind(422, "任职结束早于开始。", "The assignment would end before it begins."),
    "assignment_overlaps": ErrorKind(
        409, "此人在该时段已有同一任职。", "This person holds the same post within that time already."
    ),
    "assignment_ended": ErrorKind(409, "该任职已结束。", "This assignment has ended already."),
    "import_unreadable": ErrorKind(
        422,
        "文件无法读取:应为 UTF-8 或 GB18030 编码的 CSV,首行为列名。",
        "The file cannot be read: it has to be CSV in UTF-8 or GB18030 with the names of the columns first.",
    ),
    "import_refused": ErrorKind(
        422,
        "有的行不能导入,未写入任何内容;请按报告修改后重试。",
        "Some lines cannot be taken in and nothing was written; mend them by the report and try again.",
    ),
    # The registry
    "file_unreadable": ErrorKind(
        400, "文件无法读取,请检查后再导入。", "The file cannot be read; check it and try again."
    ),
    "registry_moved": ErrorKind(
        409,
        "其间他人发布了新的编码库版本,未写入任何内容,请重新执行。",
        "Somebody published another registry version meanwhile; nothing was written. Run it again.",
    ),
    "registry_moving": ErrorKind(
        409,
        "上一次网格调整的台账仍在转移,请待其完成后再执行。",
        "The items of the last change of the registry are still being moved; run it once that has ended.",
    ),
    # A change set as a whole
    "set_malformed": ErrorKind(
        422, "变更集无法解析,已原样保存。", "The change set cannot be read; its bytes are kept."
    ),
    "set_too_deep": ErrorKind(
        422, "变更集嵌套过深,已原样保存。", "The change set is nested too deeply; its bytes are kept."
    ),
    "set_text_invalid": ErrorKind(
        422, "变更集含无效字符,已原样保存。", "The change set holds invalid text; its bytes are kept."
    ),
    "set_too_large": ErrorKind(422, "变更集超过上限,请拆分。", "The change set is over the size limit; split it."),
    "set_number_mismatch": ErrorKind(
        422, "变更集编号与位置不符。", "The number inside the change set is not the one it was sent as."
    ),
    "set_device_mismatch": ErrorKind(422, "变更集属于另一台设备。", "The change set names another device."),
    "set_forked": ErrorKind(
        422, "该编号已用于其他内容,字节已保存。", "This number was used for other bytes; these are kept."
    ),
    "set_void_lost": ErrorKind(
        422,
        "手机已没有该编号的内容,无法补交,已记录。",
        "The phone no longer has what stood under this number; it is on record that nothing came.",
    ),
    "set_void_too_large": ErrorKind(
        422,
        "内容超过上限,未能提交,已记录;请在手机上拆分后重填。",
        "What stood under this number is over the size limit and was not sent; split it and enter it again.",
    ),
    "set_internal_error": ErrorKind(
        422, "处理时出错,已保存,等待人工处理。", "It failed inside the server; it is kept and a person will look."
    ),
    "set_all_or_nothing": ErrorKind(
        422,
        "同一变更集须全部成立,其中有变更未被接受,此变更也未生效。",
        "Another change of this all-or-nothing set was not accepted, so this one was not applied either.",
    ),
    "catalogue_unknown": ErrorKind(
        422, "事项目录版本不受支持,已保存待处理。", "This catalogue version is not supported; the set is kept."
    ),
    "catalogue_too_old": ErrorKind(
        422,
        "应用所用的事项目录版本过旧,已保存待处理,请更新应用。",
        "The app's catalogue version is too old; the set is kept: update the app.",
    ),
    "author_not_holder": ErrorKind(
        422, "作者不是设备持有人,已保存待处理。", "The author is not the device's holder; the set is kept."
    ),
    "device_revoked": ErrorKind(422, "设备已停用,内容已保存待处理。", "The device is revoked; what it sent is kept."),
    # One change
    "change_malformed": ErrorKind(422, "该变更格式不正确。", "The change is not of the right form."),
    "change_too_deep": ErrorKind(422, "该变更嵌套过深。", "The change is nested too deeply."),
    "change_text_invalid": ErrorKind(422, "该变更含无效字符。", "The change holds invalid text."),
    "change_number_invalid": ErrorKind(422, "该变更含无法保存的数字。", "A number in the change cannot be stored."),
    "type_unknown": ErrorKind(422, "没有这个事项类型。", "There is no such item type."),
    "type_mismatch": ErrorKind(422, "事项类型与原记录不符。", "The item is of another type."),
    "item_exists": ErrorKind(
        422, "该编号的事项已存在,内容已保存待处理。", "An item with this id exists; what was sent is kept."
    ),
    "item_unknown": ErrorKind(422, "没有这个事项。", "There is no such item."),
    "item_erased": ErrorKind(
        409,
        "该事项的个人信息已依法清除,不能再填写;此内容未保存,请在手机上删除。",
        "The item was erased and takes no more; what was sent is not kept, and the phone is to delete it too.",
    ),
    "case_open": ErrorKind(
        409, "案件尚未办结,不能清除;请先办结。", "The case is still open; bring it to its end before erasing the item."
    ),
    "lease_exceeded": ErrorKind(
        422,
        "填写时间距今过久,超出离线期限;内容已完整保存,由人工处理。",
        "It was written longer ago than phones may stay offline; nothing is lost, and a person will look at it.",
    ),
    "reference_unknown": ErrorKind(
        422, "引用的事项不存在或类型不对。", "The item it refers to does not exist or is of the wrong type."
    ),
    "out_of_scope": ErrorKind(
        422, "不在您负责的网格内,已保存待处理。", "It lies outside the grids you are assigned to; it is kept."
    ),
    "role_may_not_write": ErrorKind(
        422, "您的角色不能填报此事项,已保存待处理。", "Your role may not write this type; it is kept."
    ),
    "delete_not_allowed": ErrorKind(
        422, "事件不能删除,请申请作废。", "An event cannot be deleted; ask for it to be voided."
    ),
    "photos_needed": ErrorKind(422, "照片数量不足。", "More photos are needed."),
    # Review and case
    "late_transition": ErrorKind(
        409, "状态已变化,请刷新后再操作。", "The state has changed; look again before you act."
    ),
    "own_work": ErrorKind(409, "不能审核自己填报的内容。", "Nobody approves what they wrote."),
    "same_reviewer": ErrorKind(409, "两级审核须由不同的人完成。", "The two approvals must come from different people."),
    "evidence_not_verified": ErrorKind(409, "所需照片尚未核验。", "A needed photo is not verified yet."),
    "reason_unknown": ErrorKind(400, "原因代码不正确。", "There is no such reason."),
    "note_needed": ErrorKind(400, "选择「其他」须写明原因。", "The reason 'other' needs a note."),
    "nobody_answers": ErrorKind(
        409,
        "填报人已离岗或调离,且无人可修改;请直接审核,或处理其案件。",
        "Its author is gone and nobody else may correct it: approve it, or settle its case.",
    ),
    "undo_too_late": ErrorKind(409, "已有后续操作,无法撤销。", "Something was built on it; it cannot be undone."),
    "review_pending": ErrorKind(
        409, "上报尚未审核通过,请先审核。", "The report is not approved yet; have it reviewed first."
    ),
    "organisation_unsuitable": ErrorKind(
        422, "请选择可以办理该事项的单位。", "Choose an organisation that may handle this type."
    ),
    "not_overdue": ErrorKind(409, "案件未超期,或已升级至市级。", "The case is not overdue, or already with the city."),
    # Conflicts
    "conflict_resolved": ErrorKind(409, "该冲突已处理。", "This conflict is already settled."),
    "conflict_open": ErrorKind(409, "该冲突尚未处理。", "This conflict is still open."),
    "resolution_invalid": ErrorKind(
        422, "这样处理不成立,请重新选择。", "The conflict cannot be settled like this; choose again."
    ),
    # Evidence
    "evidence_unknown": ErrorKind(404, "没有这张照片的登记。", "This photo was not declared."),
    "upload_missing": ErrorKind(
        409, "未收到照片内容,请重新上传。", "The bytes have not arrived; upload the photo again."
    ),
    "tus_version_unknown": ErrorKind(
        412,
        "续传须写明 Tus-Resumable: 1.0.0。",
        "Name the version of the upload protocol: Tus-Resumable: 1.0.0.",
    ),
    "upload_too_large": ErrorKind(
        413, "照片超过 20 MB,请压缩后重拍或重发。", "The photo is over 20 MB; send a smaller one."
    ),
    "upload_ended": ErrorKind(
        410, "此次上传已结束或过期,请重新申请上传。", "This upload has ended or expired; create another for the photo."
    ),
    "upload_offset_differs": ErrorKind(
        409,
        "已收到的字节数与此不同,请先查询(HEAD)再续传。",
        "Another number of bytes has come; ask for it with HEAD and go on from there.",
    ),
    "upload_exceeds_length": ErrorKind(
        413,
        "内容超出申报的长度,请查询(HEAD)后只传其余部分。",
        "This is more than the declared length; ask with HEAD and send only what is missing.",
    ),
    "upload_checksum_unknown": ErrorKind(
        400,
        "校验须写作 sha1 或 sha256,后接 Base64。",
        "A checksum is sha1 or sha256, a space, and its base64.",
    ),
    "upload_checksum_differs": ErrorKind(
        460, "内容在途中损坏,未保存;请重传这一段。", "The bytes were damaged on the way and not kept; send them again."
    ),
    "upload_stalled": ErrorKind(
        408,
        "长时间未收到内容;已到部分已保存,请查询(HEAD)后续传。",
        "Nothing came for too long; what came is kept: ask with HEAD and go on from there.",
    ),
    "upload_complete": ErrorKind(
        409,
        "照片已收到,不能撤回。",
        "The photo has arrived, and evidence is not taken back.",
    ),
    "photo_too_large": ErrorKind(
        422, "照片超过 20 MB,请压缩后重拍或重发。", "The photo is over 20 MB; send a smaller one."
    ),
    "photo_size_differs": ErrorKind(
        422, "收到的照片大小与登记不符,请重新上传。", "The bytes are not as many as declared; upload the photo again."
    ),
    "photo_hash_differs": ErrorKind(
        422, "收到的照片内容与登记不符,请重新上传。", "The bytes are not those declared; upload the photo again."
    ),
    "photo_type_unknown": ErrorKind(
        422, "照片格式不受支持,请使用 JPEG、PNG 或 WebP。", "Not a photo this server reads; use JPEG, PNG or WebP."
    ),
    "photo_undecodable": ErrorKind(
        422, "照片已损坏,无法打开,请重拍。", "The photo is damaged and cannot be opened; take it again."
    ),
    "photo_too_many_pixels": ErrorKind(
        422, "照片像素过大,请降低分辨率后重拍。", "The photo has too many pixels; take it at a lower resolution."
    ),
}


class Problem(Exception):
    """A refusal with a stable code.

    `detail_zh` and `detail_en` replace the catalogue's words where more can be said; `field` names a form field or
    parameter. None of them may hold a personal value.
    """

    def __init__(
        self,
        code: str,
        *,
        field: str | None = None,
        detail_zh: str | None = None,
        detail_en: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        kind = CATALOGUE[code]
        super().__init__(code)
        self.code = code
        self.status = kind.status
        self.zh = detail_zh or kind.zh
        self.en = detail_en or kind.en
        self.field = field
        self.retry_after = retry_after
