using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Serialization;
using Nerdbank.MessagePack;
using PolyType;

// That others may derive from these is part of what is tested.
#pragma warning disable CA1852

namespace ManyHands.Tests.Serialization;

internal enum Wide : ulong
{
    None,
    Top = ulong.MaxValue,
}

internal record Person(string Name, int Age, string? Note);

internal record Employee(string Name, int Age, string? Note, string Boss) : Person(Name, Age, Note);

internal readonly record struct Point(int X, int Y);

internal record struct Mutable(int X, string Y);

internal record Holder<T>(int Before, T Value, int After);

internal sealed record Node(int Number, Node? Next);

internal sealed class Nest
{
    public List<Nest> Items { get; set; } = [];
}

internal record Tree(string Name, List<Tree> Branches);

internal record Registry(string Name, Dictionary<string, Registry> Entries);

internal record Pile(string Name, Stack<Pile> Below);

internal record Left(int Number, Right? Right);

internal record Right(string Name, Left? Left);

internal sealed record FirstMet(int Number, FirstMetInside Inside);

internal sealed record FirstMetInside(string Name);

internal sealed record Empty;

internal struct Fields
{
    public int X;
    public string? Name;
}

internal readonly struct Ratio(int numerator, int denominator)
{
    public int Numerator { get; } = numerator;

    public int Denominator { get; } = denominator;
}

internal class Settings
{
    public int Retries { get; set; } = 5;

    public string? Name { get; set; } = "default";

    public List<string>? Tags { get; set; } = ["one"];
}

internal class Strict
{
    public required int Id { get; init; }

    public string? Note { get; init; }

    public double Scale { get; set; } = 1.5;
}

internal class Fixed(string name, List<int> numbers)
{
    public string Name { get; } = name;

    public List<int> Numbers { get; } = numbers;
}

internal class Mixed(string name)
{
    public string Name { get; } = name;

    public int Extra { get; set; } = 9;

    public string Later { get; init; } = "b";
}

internal class PrivatelySet(int value)
{
    public int Value { get; private set; } = value;
}

internal sealed record Optional(int Count = 5, string? Name = "x");

internal class Based
{
    public int Base { get; set; }
}

internal class Derived : Based
{
    public string? Own { get; set; }
}

internal sealed record Computed(int Value)
{
    public int Doubled => Value * 2;
}

internal sealed record Wide30(
    int A, int B, int C, int D, int E, int F, int G, int H, int I, int J, int K, int L, int M, int N, int O, int P, int Q, int R, int S, int T);

internal sealed class Checked
{
    public Checked(string name, int count)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
        Count = Math.Max(count, 0);
    }

    public string Name { get; }

    public int Count { get; }
}

internal sealed class FieldBacked
{
    public string? Name { get; set => field = value?.Trim(); }
}

internal sealed class StringList : List<string>;

[DerivedTypeShape(typeof(Circle))]
[DerivedTypeShape(typeof(Square))]
internal record Shape;

internal record Circle(double Radius) : Shape;

internal record Square(double Side) : Shape;

internal record RoundedSquare(double Side, double Radius) : Square(Side);

[DerivedTypeShape(typeof(Dog))]
internal interface IAnimal;

internal sealed record Dog(string Name) : IAnimal;

internal sealed record Cat(string Name) : IAnimal;

internal sealed record LeavesOut
{
    public int Kept { get; init; }

    [PropertyShape(Ignore = true)]
    public int LeftOut { get; set; }

    public bool Equals(LeavesOut? other) => other is not null && (Kept, 0) == (other.Kept, other.LeftOut);

    public override int GetHashCode() => Kept;
}

[TypeShape(Marshaler = typeof(CounterMarshaler))]
internal sealed class Counter(int start)
{
    private readonly int value = start;

    public int Value => value;
}

internal sealed class CounterMarshaler : IMarshaler<Counter, int>
{
    public int Marshal(Counter? value) => value?.Value ?? 0;

    public Counter? Unmarshal(int value) => new(value);
}

internal sealed class Shown
{
    [PropertyShape]
    private int secret;

    public Shown()
    {
    }

    public Shown(int start) => secret = start;

    public int Doubled() => secret * 2;
}

[KnownType(typeof(Car))]
internal class Vehicle
{
    public int Wheels { get; set; }
}

internal class Car : Vehicle
{
    public int Doors { get; set; }
}

[InlineArray(4)]
internal struct Four
{
    private int item;
}

internal sealed class Renamed
{
    [PropertyShape(Name = "other")]
    public int Value { get; init; }
}

internal sealed class Keyed
{
    [Key(7)]
    public int First { get; set; }

    [Key(0)]
    public string? Second { get; set; }
}

internal abstract class HasVirtual
{
    public abstract int Value { get; set; }
}

internal sealed class Overrides : HasVirtual
{
    public override int Value { get; set; }
}

[StructLayout(LayoutKind.Explicit)]
internal struct NumberUnion
{
    [FieldOffset(0)]
    public long Whole;
    [FieldOffset(0)]
    public double Fraction;
}

internal sealed record CasedRecord(int ID, int Id);
