namespace ManyHands.Managers;

/// <summary>Bounds are None or plain values without items.</summary>
internal sealed record PythonSlice(object? Start, object? Stop, object? Step)
{
    public override string ToString() => PythonText.Of(this);
}

/// <summary>What goes through a list, once: <c>iter(list)</c>.</summary>
internal sealed record PythonIterator(PythonList Items);

internal sealed record PythonRange(long Start, long Stop, long Step);

/// <summary>A Decimal that no .NET decimal holds: NaN, an infinity, or one of more digits.</summary>
internal sealed record PythonDecimal(string Text);

/// <summary>A Python exception as data: its class by name, never looked up, and its arguments.</summary>
internal sealed record PythonError(string Module, string Name, PythonTuple Arguments)
{
    public string Type => Module == "builtins" ? Name : $"{Module}.{Name}";

    public static PythonError Builtin(string name, params object?[] arguments) => new("builtins", name, new(arguments));

    public override string ToString() => $"{Type}{PythonText.Of(Arguments)}";
}

/// <summary>What names an object of a manager: its type, where it is served (a text, or a tuple of host and port), and which it is. Nobody dials that address.</summary>
internal sealed record PythonToken(string TypeId, object? Address, string Id)
{
    public override string ToString() => $"Token({PythonText.Of(TypeId)}, {PythonText.Of(Address)}, {PythonText.Of(Id)})";
}

/// <summary>A proxy that was sent as a value.</summary>
/// <param name="ProxyType">AutoProxy, ListProxy and so on.</param>
/// <param name="Exposed">The names of its methods; null where the proxy's class knows them.</param>
internal sealed record PythonProxyReference(string ProxyType, PythonToken Token, IReadOnlyList<string>? Exposed)
{
    public override string ToString() => $"{ProxyType} of {Token}";
}
