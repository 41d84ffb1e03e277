using CsCheck;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>Values nobody thought of arrive equal as well.</summary>
public class AnyValueTests
{
    // All code units, and pairs and halves of pairs more often than chance has them.
    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.String[Gen.Char[(char)0, char.MaxValue], 0, 40],
        Gen.String[Gen.OneOf('a', '\uD83D', '\uDE00', '\0', 'ü'), 0, 10],
        Gen.String[Gen.Char['a', 'z'], 0, 300]);

    private static readonly Gen<Person> People = Gen.Select(Text, Gen.Int, Gen.Null(Text), static (name, age, note) => new Person(name, age, note));

    [Fact]
    public void AnyTextArrivesEqual() => Text.Sample(static text =>
    {
        Assert.Equal(text, Journey.Of(text), StringComparer.Ordinal);
        Assert.Equal(text, Journey.Of(new Holder<string>(1, text, 2)).Value, StringComparer.Ordinal);
    });

    [Fact]
    public void AnyRecordArrivesEqual() => People.Sample(static person => Assert.Equal(person, Journey.Of(person)));

    [Fact]
    public void AnyNumbersArriveEqual() =>
        Gen.Select(Gen.Double, Gen.Float, Gen.Decimal, Gen.Long, Gen.ULong, Gen.Int.Select(static number => (short)number))
            .Sample(static numbers => Journey.ArrivesEqual(new Holder<(double, float, decimal, long, ulong, short)>(1, numbers, 2)));

    [Fact]
    public void AnyBitsOfADoubleArriveEqual() =>
        Gen.Long.Sample(static bits => Assert.Equal(bits, BitConverter.DoubleToInt64Bits(Journey.Of(new Holder<double>(1, BitConverter.Int64BitsToDouble(bits), 2)).Value)));

    [Fact]
    public void AnyTimesArriveEqual() =>
        Gen.Select(Gen.DateTime, Gen.OneOf(DateTimeKind.Local, DateTimeKind.Utc, DateTimeKind.Unspecified), Gen.DateTimeOffset, Gen.TimeSpan)
            .Sample(static (time, kind, offset, span) =>
                Journey.ArrivesEqual(new Holder<(DateTime, DateTimeOffset, TimeSpan)>(1, (DateTime.SpecifyKind(time, kind), offset, span), 2)));

    [Fact]
    public void AnyNestedCollectionArrivesEqual() =>
        Gen.Dictionary(Text, Gen.Null(Gen.Null(People.Array[0, 3]).List[0, 4]))[0, 4].Sample(static collection => Journey.ArrivesEqual(collection));

    [Fact]
    public void AnyDamageEndsWell() =>
        Gen.Select(People, Gen.Int[0, 10_000], Gen.Byte).Sample(static (person, place, replacement) =>
        {
            byte[] bytes = Journey.BytesOf(new List<Person> { person });
            bytes[place % bytes.Length] = replacement;
            Exception? failure = Record.Exception(() => Journey.Read<List<Person>>(bytes));
            Assert.True(failure is null or ManyHands.Serialization.InvalidPayloadException, failure?.ToString());
        });
}
