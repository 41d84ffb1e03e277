using System.Buffers;
using System.Numerics;
using CsCheck;
using ManyHands.Managers;
using Xunit;

namespace ManyHands.Tests.Managers;

public sealed class PythonConversionTests
{
    private static readonly Gen<string> Text = Gen.OneOf(Gen.String[Gen.Char[(char)0, char.MaxValue], 0, 40], Gen.String[Gen.OneOf('a', '\uD83D', '\uDE00', '\0', 'ü'), 0, 120]);

    private static readonly Gen<object?> Scalar = Gen.OneOf<object?>(
        Gen.Bool.Select(static _ => (object?)null), Gen.Bool.Select(static value => (object?)value), Gen.Long.Select(static value => (object?)value), Gen.Int.Select(static value => (object?)(long)value),
        Gen.Double.Select(static value => (object?)value), Text.Select(static value => (object?)value), Gen.Byte.Array[0, 300].Select(static value => (object?)value),
        Gen.Byte.Array[9, 300].Select(static value => new BigInteger(value) is var number && number >= long.MinValue && number <= long.MaxValue ? 1L : (object?)number),
        Gen.Guid.Select(static value => (object?)value), Gen.DateTime.Select(static value => (object?)new DateTime(value.Ticks / 10 * 10)), Gen.Decimal.Select(static value => (object?)value),
        Gen.Long[-800_000_000_000_000_000, 800_000_000_000_000_000].Select(static value => (object?)new TimeSpan(value / 10 * 10)));

    private static readonly Gen<object?> Value = Gen.Recursive<object?>(static (depth, inner) => depth > 3
        ? Scalar
        : Gen.OneOf(
            Scalar,
            inner.Array[0, 5].Select(static items => (object?)new PythonTuple(items)),
            inner.Array[0, 5].Select(static items => (object?)ListOf(items)),
            Gen.Select(Scalar, inner).Array[0, 5].Select(static entries => (object?)DictionaryOf(entries)),
            Scalar.Array[0, 5].Select(static items => (object?)SetOf(items))));

    [Fact]
    public void AnyValue_ArrivesEqual() => Value.Sample(static value =>
    {
        foreach (int protocol in (int[])[2, 4])
        {
            ArrayBufferWriter<byte> written = new();
            PickleWriter.Write(written, value, protocol);
            object? read = PickleReader.Read(written.WrittenSpan);
            Assert.True(Same(value, read), $"{PythonText.Of(value)} arrives as {PythonText.Of(read)} in protocol {protocol}");
        }
    });

    [Fact]
    public void AnyHashableValue_HasOneHash() => Scalar.Array[0, 6].Sample(static items =>
    {
        PythonTuple one = new(items);
        PythonTuple other = new([.. items]);
        Assert.Equal(one, other);
        Assert.Equal(one.GetHashCode(), other.GetHashCode());
    });

    [Fact]
    public void AnyRecord_ArrivesEqual() => Gen.Select(Text, Gen.Int, Gen.Decimal).Sample(static (name, number, price) =>
        Arrives(new Order(name, number, price, new Address("s", 7), [1.5, 2], null, Color.Green)));

    [Fact]
    public void TheTypesOfPrograms_ArriveEqual()
    {
        Arrives((byte)200);
        Arrives(sbyte.MinValue);
        Arrives(ulong.MaxValue);
        Arrives(Int128.MinValue);
        Arrives('x');
        Arrives(1.5f);
        Arrives<int?>(null);
        Arrives<int?>(5);
        Arrives(new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.FromHours(-3)));
        Arrives(new DateOnly(2024, 2, 29));
        Arrives(new TimeOnly(23, 59, 59, 999, 999));
        Arrives(new Complex(1, -2));
        Arrives((1, "a", 2.5));
        Arrives(Tuple.Create(1, "a"));
        Arrives(new[] { "a", null });
        Arrives<IReadOnlyList<int>>([1, 2, 3]);
        Arrives(new HashSet<(int, string)> { (1, "a") });
        Arrives(new Dictionary<int, string[]> { [1] = ["a"], [2] = [] });
        Arrives(new uint[] { 1, uint.MaxValue });
        Arrives(new Settable { Name = "a", Inner = new Settable { Name = "b" } });
    }

    [Theory]
    [InlineData(256L, "expected int from 0 to 255, got 256")]
    [InlineData(-1L, "expected int from 0 to 255, got -1")]
    [InlineData("1", "expected int from 0 to 255, got str")]
    [InlineData(true, "expected int from 0 to 255, got bool")]
    [InlineData(1.0, "expected int from 0 to 255, got float")]
    [InlineData(null, "expected int from 0 to 255, got None")]
    public void AnotherType_IsRefused(object? value, string problem) =>
        Assert.Equal($"value: {problem}.", Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<byte>(value)).Message);

    [Fact]
    public void AnError_NamesThePlace()
    {
        PythonDictionary address = DictionaryOf([("Street", "s"), ("Number", "seven")]);
        PythonDictionary order = (PythonDictionary)PythonConversion.ToPython(new Order("a", 1, 2, new Address("s", 7), [], null, Color.Red))!;
        order["Home"] = address;
        PythonConversionException problem = Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<List<Order>>(ListOf([order]), "item"));
        Assert.Equal("item[0].Home.Number", problem.Path);
        Assert.Equal("item[0].Home.Number: expected int from -2147483648 to 2147483647, got str.", problem.Message);

        Assert.Contains("has no property 'Zip'", Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<Address>(DictionaryOf([("Street", "s"), ("Number", 7L), ("Zip", 1L)]))).Message, StringComparison.Ordinal);
        Assert.Equal("value.Number", Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<Address>(DictionaryOf([("Street", "s")]))).Path);
        Assert.Contains("tuple of 2", Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<(int, int)>(new PythonTuple(1L))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatHasNoCounterpart_IsRefused()
    {
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython(new object()));
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython<Action>(static () => { }));
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython<Stream>(Stream.Null));
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython(new InvalidOperationException("its message would be lost")));
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython<Address>(new LongAddress("s", 7, "zip")));
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython(new HashSet<List<int>> { new() { 1 } }));
    }

    [Fact]
    public void WhatContainsItself_IsRefused_OrTravels()
    {
        Settable circle = new() { Name = "a" };
        circle.Inner = circle;
        Assert.Throws<PythonConversionException>(() => PythonConversion.ToPython(circle));

        PythonList list = new();
        list.Append(list);
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, list);
        PythonList read = Assert.IsType<PythonList>(PickleReader.Read(written.WrittenSpan));
        Assert.Same(read, read[0]);

        // The same branch twice at each of thirty levels, and the last is empty.
        PythonDictionary branch = DictionaryOf([("Branches", (object?)new PythonList())]);
        for (int level = 0; level < 30; level++)
            branch = DictionaryOf([("Branches", (object?)ListOf([branch, branch]))]);
        Assert.Throws<PythonConversionException>(() => PythonConversion.FromPython<Branch>(branch));
    }

    [Fact]
    public void TooDeepOrTooLong_IsNotWritten()
    {
        List<object?> deep = [];
        for (int level = 0; level < 300; level++)
            deep = [deep];
        Assert.Throws<PythonConversionException>(() => PickleWriter.Write(new ArrayBufferWriter<byte>(), deep));
        Assert.Throws<PythonConversionException>(() => PickleWriter.Write(new ArrayBufferWriter<byte>(), new byte[1000], maximumLength: 500));
        Assert.Throws<PythonConversionException>(() => PickleWriter.Write(new ArrayBufferWriter<byte>(), new string('x', 1000), maximumLength: 500));
    }

    private static void Arrives<T>(T value)
    {
        ArrayBufferWriter<byte> written = new();
        PickleWriter.Write(written, PythonConversion.ToPython(value));
        T read = PythonConversion.FromPython<T>(PickleReader.Read(written.WrittenSpan));
        if (value is Order order)
            Assert.Equal(order with { Prices = [] }, (Order)(object)read! with { Prices = [] });
        else
            Assert.Equivalent(value, read, strict: true);
    }

    private static PythonList ListOf(object?[] items)
    {
        PythonList list = new();
        foreach (object? item in items)
            list.Append(item);
        return list;
    }

    private static PythonDictionary DictionaryOf((object? Key, object? Value)[] entries)
    {
        PythonDictionary dictionary = new();
        foreach ((object? key, object? value) in entries)
            dictionary[key] = value;
        return dictionary;
    }

    private static PythonDictionary DictionaryOf((string Key, object? Value)[] entries) => DictionaryOf([.. entries.Select(static entry => ((object?)entry.Key, entry.Value))]);

    private static PythonSet SetOf(object?[] items)
    {
        PythonSet set = new();
        foreach (object? item in items)
            set.Add(item);
        return set;
    }

    private static bool Same(object? one, object? other) => (one, other) switch
    {
        (PythonList left, PythonList right) => left.Count == right.Count && left.Zip(right).All(static pair => Same(pair.First, pair.Second)),
        (PythonTuple left, PythonTuple right) => left.Count == right.Count && left.Zip(right).All(static pair => Same(pair.First, pair.Second)),
        (PythonDictionary left, PythonDictionary right) => left.Count == right.Count && left.Zip(right).All(static pair => Same(pair.First.Key, pair.Second.Key) && Same(pair.First.Value, pair.Second.Value)),
        (PythonSet left, PythonSet right) => left.HasSameItems(right),
        (double left, double right) => BitConverter.DoubleToInt64Bits(left) == BitConverter.DoubleToInt64Bits(right) || (double.IsNaN(left) && double.IsNaN(right)),
        (decimal left, PythonDecimal right) => left == 0 && right.Text.StartsWith("-0", StringComparison.Ordinal),
        _ => one?.GetType() == other?.GetType() && PythonEquality.Equal(one, other),
    };

    public enum Color
    {
        Red,
        Green,
    }

    public record Address(string Street, int Number);

    public sealed record LongAddress(string Street, int Number, string Zip) : Address(Street, Number);

    public sealed record Order(string Name, long Number, decimal Price, Address Home, double[] Prices, Address? Other, Color Color);

    public sealed class Settable
    {
        public required string Name { get; init; }

        public Settable? Inner { get; set; }
    }

    public sealed record Branch(List<Branch> Branches);
}
