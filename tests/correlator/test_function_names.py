"""One function has one name, whatever compilers, runtimes and calls add to it."""

import pytest

from correlator import function_names
from schemas.records import Frame


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("total", "total"),
        ("Layer.handle [as handle_request]", "Layer.handle"),
        ("main.(*Cart).Total.func1.2", "main.(*Cart).Total.func"),
        ("com.acme.Cart$1.run", "com.acme.Cart$.run"),
        ("lambda$main$3", "lambda$main$"),
        ("com.acme.Cart$$Lambda/0x00007f.get", "com.acme.Cart"),
        ("com.acme.CartKt$total$2.invokeSuspend", "com.acme.CartKt.total"),
        ("Acme.Cart.<Total>d__3.MoveNext", "Acme.Cart.Total"),
        ("Acme.Cart.<>c__DisplayClass4_0.<<Total>b__0>d.MoveNext", "Acme.Cart.Total"),
        ("Acme.Cart.<Total>g__Add|2_0", "Acme.Cart.Total"),
        ("Acme.P+<Main>c__AnonStorey0.<>m__3", "Acme.P.Main"),
        ("Acme.Cart`1[T]..ctor", "Acme.Cart`1[T]..ctor"),
        ("Shop.Cart.price(%{sku: 7})", "Shop.Cart.price"),
        ("Shop.Cart.price/1", "Shop.Cart.price/1"),
        ("anonymous fn/2 in Shop.Cart.all/1 # <= left: 3", "anonymous fn/2 in Shop.Cart.all/1"),
        ("App\\{closure:App\\Cart::total():8}", "App\\{closure:App\\Cart::total()}"),
        ("{closure:/srv/shop/index.php:3}", "{closure:index.php}"),
        ("class@anonymous/srv/x.php:21$0->run", "class@anonymous->run"),
        ("std[e28293b1aa0f68bd]::io::read", "std::io::read"),
        ("shop::total::h0123456789abcdef", "shop::total"),
        ("<shop::Cart as shop::Total>::total", "<shop::Cart as shop::Total>::total"),
        ("block (2 levels) in <main>", "block (2 levels) in <main>"),
        ("Cart.price(at:)", "Cart.price(at:)"),
    ],
)
def test_what_is_added_is_removed(name: str, stable: str) -> None:
    assert function_names.stable(name) == stable


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("Shop.Cart.price/1", "price"),
        ("Shop.Cart.price(%{a: 1})", "price"),
        ("anonymous fn/2 in Shop.Cart.all/1", "all"),
        ("block (2 levels) in Shop::Cart#total", "total"),
        ("Shop\\Cart->price", "price"),
        ("main.(*Cart).Total.func1", "Total"),
        ("shop::cart::total::{{closure}}", "total"),
        ("Acme.Cart.<Total>d__3.MoveNext", "Total"),
        ("com.acme.Shop.lambda$checkout$3", "checkout"),
        ("App.Cart.add(Swift.String) -> ()", "add"),
        ("Cart.checkout", "checkout"),
        ("<module>", "module"),
        ("", ""),
    ],
)
def test_a_declaration_holds_the_bare_name(name: str, bare: str) -> None:
    assert function_names.bare(name) == bare


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (Frame("Cart.java", "total", 1, module="com.acme.Cart"), "com.acme.Cart.total"),
        (Frame("Cart.kt", "invokeSuspend", 1, module="com.acme.Cart$total$2"), "com.acme.Cart.total"),
        (Frame(None, "price", None, module="com.acme.$Proxy0"), "com.acme.$Proxy.price"),
        (Frame("lib/a.ex", "A.f/1", 1, module="shop"), "A.f/1"),
        (Frame("a.py", "total", 1), "total"),
        (Frame("a.js", None, 1), None),
    ],
)
def test_a_method_has_its_class(frame: Frame, name: str | None) -> None:
    assert function_names.of(frame) == name
