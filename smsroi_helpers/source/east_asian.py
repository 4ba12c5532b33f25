"""Whether text that decodes as GB18030 is Chinese: Korean and Japanese in their own encodings decode too, to nonsense.

EUC-KR (cp949) has its syllables, EUC-JP its signs, at byte pairs that GB18030 has given to common Chinese characters.
So the frequent signs of each language tell: they are most of its text, and few of another's.
"""

__all__ = [
    "is_mostly_common",
    "other_language",
]

_COMMON_SHARE = 0.75
"""Smallest share of common characters in Chinese text. Names, in which rare ones are frequent, have about 0.9."""
_CHINESE = frozenset(
    "是人了不在有大中国和为这上他个地年来我会以到时要出的生学说道民家子也成行下们于后就发自之对得主长可过天作分方用多你着部能市等业全"
    "里工公经本都而高政法面门动日进区事代那去心小同北定开产前其军还然起种所如现理机体表力好外与文当两实重新三么只山水关明从化平建又制"
    "南内西没此将员名手最东头者月间无安看见各城十相但已些正口通想度加第她合院物性战由位常点海意场武使次二向治因立数样身情入原问把路被并"
    "利石老教万知级量任江及应省资委务元美特期世湖回系比气汉总展电科金先声提品设或四首共马形己太目基直计别女权话少流至报米给打变果书清活"
    "订单号额姓户顾客您券优惠短信点击退款付买卖店折限享送礼尊贵王李张刘陈杨赵黄周吴徐孙胡朱林何郭罗梁宋郑谢韩唐冯"
)
"""The most frequent characters (of the dictionary of jieba), those of orders and texts, and of names."""
_KOREAN = frozenset(
    "이다는에을의가고하지로한기도사은를인어자리아시그해나서대수정들일부라있것제구보으주전과장상스게만여동성조원비어니신면무적세안화소치유"
    "요드했러용마르없물오경관내공우트생분선산거학미간위연개회국방당되난저중금문업진입와모식실양영계호단심김박최강윤임준현민재희송님객녕"
    "할별및특처번체크매구터습상품쿠폰행복감된달입십배받까운려렇더말때또든발본명바"
)
"""The most frequent syllables of Korean text and names."""
_JAPANESE = frozenset(
    "日一人年大本中国会月学生上東時分出行者地見田前後事自社新金部高長名山子小三間手方合場下内立京市民気同今入定実業通動理明近発話体力"
    "木村井藤佐野川林口原松崎橋池石森谷島岡福和美香太郎様客注文番号氏住所電商品価格円送料限特別割引店予約配信無料会員登録購最初丁目県区町"
)
"""Kanji that are frequent in Japanese orders, texts and names; kana are frequent anyway."""
_LEAST_SIGNS = 5
"""Different frequent signs of another language that the text must have, so that a few Chinese words are Chinese."""
_FREQUENT = 0.3
"""Their smallest share in the text; by chance they are 4 to 8 % of Chinese text."""
_TIMES = 2.0
"""They must be this many times as frequent as those of Chinese."""
_MANY = 20
"""Different characters from which it tells that all are at the places of Korean syllables: half of Chinese are not."""


def other_language(text: str) -> tuple[str, str]:
    """Return the language and the encoding of text that was decoded as GB18030, if it is not Chinese; else empty words.

    Text of which that is not sure is Chinese.

    >>> other_language("안녕하세요 고객님".encode("cp949").decode("gb18030"))
    ('Korean', 'cp949')
    >>> other_language("いつもありがとうございます".encode("euc_jp").decode("gb18030"))
    ('Japanese', 'euc_jp')
    >>> other_language("尊敬的客户，您的订单已发货")
    ('', '')
    """
    pairs = [pair for sign in text if not sign.isascii() and len(pair := sign.encode("gb18030", "replace")) == 2]
    letters = [pair for pair in pairs if not 0xA1 <= pair[0] <= 0xA3]  # punctuation, and full-width letters
    chinese = sum(pair.decode("gb18030") in _CHINESE for pair in letters)
    for language, encoding, frequent in (("Korean", "cp949", _KOREAN), ("Japanese", "euc_jp", _JAPANESE)):
        signs = [pair.decode(encoding, "replace") for pair in letters]
        found = [sign for sign in signs if sign in frequent or (encoding == "euc_jp" and "ぁ" <= sign <= "ヶ")]
        enough = len(found) >= max(_FREQUENT * len(letters), _TIMES * chinese)
        if len(set(found)) >= _LEAST_SIGNS and enough:
            return language, encoding
    syllables = {pair for pair in letters if 0xB0 <= pair[0] <= 0xC8 and pair[1] >= 0xA1}
    return ("Korean", "cp949") if len(syllables) >= _MANY and syllables == set(letters) else ("", "")


def is_mostly_common(text: str) -> bool:
    """Whether most non-ASCII characters of a text are common Chinese ones.

    Latin letters with accents, Big5 and Shift JIS also decode as GB18030, but mostly to rare characters.
    """
    signs = [sign for sign in text if not sign.isascii()]
    return bool(signs) and sum(map(_is_common, signs)) / len(signs) > _COMMON_SHARE


def _is_common(character: str) -> bool:
    """Whether a character is a sign or one of the 3,755 most frequent (level 1) of GB 2312, or has four bytes.

    Four bytes, of which two are digits, do not occur by chance.
    """
    if len(character.encode("gb18030", errors="replace")) == 4:
        return True
    try:
        lead = character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return 0xA1 <= lead <= 0xA9 or 0xB0 <= lead <= 0xD7
