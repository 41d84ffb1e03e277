using System.Collections;
using PolyType;

// That others may derive from these, and that they hide things from the serializer, is what is tested.
#pragma warning disable CA1852, CA1823, CA1822, IDE0051, IDE0052, CS0414, CS0067, CS0169, CA1805

namespace ManyHands.Tests.Serialization;

internal record Order(int Id, Customer Customer);

internal record Customer(string Name, Stream? Photo);

internal sealed class Ring
{
    public Ring? Next { get; set; }
}

internal class KeepsSecret
{
    private readonly int _secret = 3;

    public int Open { get; set; }

    public int Sum() => _secret + Open;
}

internal sealed class DerivedFromSecret : KeepsSecret;

internal sealed class Captures(int start)
{
    public int Open { get; set; }

    public int Sum() => start + Open;
}

internal sealed class GetOnly
{
    public int Value { get; } = 3;
}

internal sealed class GetOnlyList
{
    public List<int> Items { get; } = [1];
}

internal sealed class PrivateProperty
{
    public int Open { get; set; }

    private int Hidden { get; set; }
}

internal sealed class PrivateSetter
{
    public int Value { get; private set; }

    public void Set(int value) => Value = value;
}

internal sealed class WriteOnly
{
    public int Value { private get; set; }
}

internal sealed class ReadOnlyField
{
    public readonly int Value = 3;
}

internal sealed class Notifies
{
    public event Action? Changed;

    public int Value { get; set; }
}

internal class HasValue
{
    public int Value { get; set; }
}

internal sealed class HidesBase : HasValue
{
    public new string? Value { get; set; }
}

internal sealed class PrivatelyMade
{
    private PrivatelyMade()
    {
    }

    public int Value { get; set; }

    public static PrivatelyMade Make() => new();
}

internal sealed class TakesMore
{
    public TakesMore(int value, int more) => Value = value + more;

    public int Value { get; }
}

internal sealed class TakesOther(IEnumerable<int> items)
{
    public List<int> Items { get; } = [.. items];
}

internal sealed class NamedList : List<string>
{
    public string? Owner { get; set; }
}

internal sealed class OwnCollection : IEnumerable<int>
{
    private readonly List<int> _items = [];

    public void Add(int item) => _items.Add(item);

    public IEnumerator<int> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal unsafe struct FixedBuffer
{
    public fixed byte Bytes[4];
}

internal abstract class AbstractShape;

internal sealed class ConcreteShape : AbstractShape;

internal sealed class ParityComparer : IEqualityComparer<int>
{
    public bool Equals(int x, int y) => x % 2 == y % 2;

    public int GetHashCode(int obj) => obj % 2;
}

internal sealed class Doubles
{
    public Doubles(int value) => Value = value * 2;

    public int Value { get; }
}

internal sealed class Counts
{
    public int Value { get; set => field = value + 1; }
}

internal sealed class FailsToBuild
{
    public FailsToBuild(int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        Value = value;
    }

    [ConstructorShape]
    public FailsToBuild(int value, bool isMade)
    {
        if (value < 0)
            throw new ArgumentException("no negative");
        Value = value;
        IsMade = isMade;
    }

    private FailsToBuild()
    {
        Value = -1;
    }

    public int Value { get; }

    public bool IsMade { get; }

    public static FailsToBuild Make() => new();
}

internal sealed class FillsItself : List<string>
{
    public FillsItself() => Add("a");
}
