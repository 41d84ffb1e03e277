using System.Collections;
using System.Runtime.InteropServices;
using Nerdbank.MessagePack;
using PolyType;

// That others may derive from these, and that they hide things from the serializer, is what is tested.
#pragma warning disable CS9124, IDE1006, CA1051, CA1036, CA1046, CA1852, CA1823, CA1822, IDE0051, IDE0052, CS0414, CS0067, CS0169, CA1805

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

internal sealed class Turned
{
    public Turned(int start, int end)
    {
        Start = end;
        End = start;
    }

    public int Start { get; }

    public int End { get; }
}

internal sealed class TurnedBySetters
{
    public int Start { get; set => field = value == 0 ? End : value; }

    public int End
    {
        get;
        set
        {
            (Start, field) = (value, Start);
        }
    }
}

internal sealed class Floors
{
    public double Value { get => Math.Floor(field); set; }
}

internal sealed class DropsSign
{
    public double Value { get; set => field = value + 0.0; } = -0.0;
}

internal sealed class CalledBack : IMessagePackSerializationCallbacks
{
    public int Value { get; set; }

    public void OnBeforeSerialize()
    {
    }

    public void OnAfterDeserialize() => Value++;
}

[StructLayout(LayoutKind.Explicit)]
internal struct BoolUnion
{
    [FieldOffset(0)]
    public int Number;
    [FieldOffset(0)]
    public bool Truth;
}

[StructLayout(LayoutKind.Explicit)]
internal struct NullableUnion
{
    [FieldOffset(0)]
    public long Number;
    [FieldOffset(0)]
    public int? Maybe;
}

[StructLayout(LayoutKind.Explicit)]
internal sealed class UnionClass
{
    [FieldOffset(0)]
    public int Number;
    [FieldOffset(0)]
    public bool Truth;
}

internal sealed class Changeable : IComparable<Changeable>
{
    public int Value { get; set; }

    public int CompareTo(Changeable? other) => Value.CompareTo(other?.Value);

    public override bool Equals(object? obj) => obj is Changeable other && Value == other.Value;

    public override int GetHashCode() => Value;
}

internal sealed class Cased(int id)
{
    public int ID { get; } = id;

    public int Id { get; set; }
}

internal sealed class CasedTheOtherWay(int id)
{
    public int ID { get; set; }

    public int Id { get; } = id;
}

internal sealed class FieldAndProperty(int value)
{
    public int value = value;

    public int Value { get; set; }
}

internal sealed class Page : List<int>
{
    public int Total { get; set; }
}

internal sealed class Window : IReadOnlyCollection<int>
{
    private readonly int[] _items = [1, 2];

    public int Count => 2;

    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal sealed class OwnSortedSet : SortedSet<string>;
