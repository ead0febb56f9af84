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
    "password_weak": ErrorKind(400, "密码至少 8 位,且含三类字符。", "A password needs 8 characters of three kinds."),
    "forbidden": ErrorKind(403, "您的角色不能执行此操作。", "Your role does not allow this."),
    "device_mismatch": ErrorKind(403, "设备与令牌不符。", "The device named is not the one this token belongs to."),
    "device_needed": ErrorKind(403, "此接口只供已注册的设备使用。", "Only an enrolled device may use this."),
    "csrf_failed": ErrorKind(403, "页面已过期,请刷新后重试。", "The page has expired; reload it and try again."),
    "reason_needed": ErrorKind(400, "请填写原因。", "Give a reason."),
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
    "set_internal_error": ErrorKind(
        422, "处理时出错,已保存,等待人工处理。", "It failed inside the server; it is kept and a person will look."
    ),
    "set_refused_whole": ErrorKind(
        422, "同一变更集中的其他变更被拒绝。", "Another change of this all-or-nothing set was refused."
    ),
    "catalogue_unknown": ErrorKind(
        422, "事项目录版本不受支持,已保存待处理。", "This catalogue version is not supported; the set is kept."
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
    "base_unknown": ErrorKind(
        422, "所依据的版本不存在,已保存待处理。", "The revision it was written against is not known; it is kept."
    ),
    "reference_unknown": ErrorKind(
        422, "引用的事项不存在或类型不对。", "The item it refers to does not exist or is of the wrong type."
    ),
    "territory_unresolved": ErrorKind(
        422, "无法确定所属网格,已保存待处理。", "No grid can be told from it; it is kept for a person."
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
    "photo_too_large": ErrorKind(
        422, "照片超过 30 MB,请压缩后重拍或重发。", "The photo is over 30 MB; send a smaller one."
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
