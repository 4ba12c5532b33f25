"""Chinese in GB18030 is read; Korean and Japanese, whose bytes are GB18030 too, are refused with their encoding.

The Universal Declaration of Human Rights, article 1, and texts and names as shops have them.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.csv_text import as_utf8
from smsroi_helpers.source.east_asian import other_language

SENTENCES = {
    "gb18030": [
        "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
        "【茶里】尊敬的顾客，您的订单已发货，请注意查收。退订回T", "双十一大促，全场五折起，点击链接领取优惠券",
        "会员日满200减50，仅限今天！", "好久不见，送您一张10元无门槛券，3天内有效", "您的验证码是1234，5分钟内有效",
        "新品上市：明前龙井、铁观音、大红袍", "张伟 王芳 李娜 刘洋 陈静 杨勇 黄敏 赵磊 周杰 吴强",
        "订单编号 买家会员名 买家实际支付金额 订单状态 订单付款时间", "广东省深圳市南山区科技园", "可爱の小熊 春の上新",
    ],
    "cp949": [
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
        "인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
        "안녕하세요 고객님 특별 할인", "[광고] 오늘 단 하루! 전 상품 20% 할인 쿠폰을 드립니다. 무료수신거부 080",
        "주문하신 상품이 발송되었습니다. 배송 조회는 아래 링크를 눌러 주세요",
        "김민준 이서연 박지훈 최수빈 정현우 강예진 조민서 윤지우 장도윤 임하은",
        "생일을 축하합니다! 회원님께 포인트를 적립해 드렸습니다",
        "주문번호 고객명 결제금액 주문일시 배송상태", "서울특별시 강남구 테헤란로",
    ],
    "euc_jp": [
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
        "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
        "いつもご利用ありがとうございます。本日限り全品20%オフ！",
        "ご注文の商品を発送しました。お届けまでしばらくお待ちください",
        "新商品のお知らせ：春のキャンペーン開催中", "お誕生日おめでとうございます。クーポンをプレゼント",
        "サイトウ タカハシ ワタナベ イトウ ヤマモト", "配信停止はこちらからお願いいたします",
    ],
}  # fmt: skip
LANGUAGES = {"cp949": "Korean", "euc_jp": "Japanese"}


def as_file(folder, sentences, encoding):
    (folder / "t.csv").write_bytes(b"campaign_id,text\n" + "".join(
        f"{n},{text}\n" for n, text in enumerate(sentences)).encode(encoding))  # fmt: skip
    return as_utf8(folder / "t.csv", folder / "copy.csv")


@settings(max_examples=40)
@given(seed=st.integers(0, 10**9), encoding=st.sampled_from([*SENTENCES]))
def test_a_file_of_a_few_sentences_is_read_or_refused_by_its_language(tmp_path_factory, seed, encoding):
    rng, folder = random.Random(seed), tmp_path_factory.mktemp("text")
    sentences = rng.choices(SENTENCES[encoding], k=rng.randrange(1, 6))
    if encoding == "gb18030":
        assert as_file(folder, sentences, encoding).path.read_text(encoding="utf-8").splitlines()[1:] == [
            f"{n},{text}" for n, text in enumerate(sentences)
        ]
        return
    advice = f"line [23]: not UTF-8, and it looks like {LANGUAGES[encoding]}; .*`encoding: {encoding}` in source.yml"
    with pytest.raises(DataError, match=advice):
        as_file(folder, sentences, encoding)


@settings(max_examples=200)
@given(seed=st.integers(0, 10**9))
def test_words_cut_out_of_chinese_are_chinese(seed):
    """A short file, such as one with Chinese column names only, must still be read."""
    rng = random.Random(seed)
    text = rng.choice(SENTENCES["gb18030"][:-1])
    at = rng.randrange(len(text))
    assert other_language(text[at : at + rng.randrange(1, 30)] * rng.randrange(1, 50)) == ("", "")


@pytest.mark.parametrize("encoding", ["big5", "cp1251", "shift_jis", "koi8_r"])
def test_other_encodings_are_still_asked_for(tmp_path, encoding):
    sentences = {
        "big5": [
            "人人生而自由，在尊嚴和權利上一律平等。",
            "親愛的顧客，您的訂單已出貨，請留意查收",
            "滿千送百，限時優惠",
        ],
        "shift_jis": SENTENCES["euc_jp"],
    }.get(encoding, ["Все люди рождаются свободными", "Ваш заказ отправлен", "Скидка двадцать процентов"])
    with pytest.raises(DataError, match=r"neither UTF-8 nor GB18030 .*smsroi import --encoding"):
        as_file(tmp_path, sentences, encoding)


def test_every_sentence_alone_is_told_by_its_own_bytes():
    for encoding, language in LANGUAGES.items():
        for text in SENTENCES[encoding]:
            read = text.encode(encoding).decode("gb18030", "replace")
            assert other_language(read) == (language, encoding), text
