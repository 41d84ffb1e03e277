using System.Globalization;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// Numbers of requests, which any client may have made up. Here they become what they can only mean, or the request is refused; whoever handles it sees no impossible one. Indexes and tickets are looked up and need no more:
/// one that isn't there is refused by whoever looks.
/// </summary>
internal static class WireNumber
{
    /// <summary>The longest time that is counted, 24.8 days. What is longer is as good as for ever, but not for ever.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(int.MaxValue);

    /// <summary>How long a request may wait, in milliseconds (8): negative for ever, as is more than 24.8 days.</summary>
    public static TimeSpan ReadWait(ref PayloadReader reader) =>
        reader.ReadUnmanaged<long>() is var milliseconds and >= 0 and <= int.MaxValue ? TimeSpan.FromMilliseconds(milliseconds) : Timeout.InfiniteTimeSpan;

    /// <summary>How long something is somebody's, in milliseconds (8), from 1 ms to 24.8 days; negative for as long as that one lives.</summary>
    public static TimeSpan ReadTime(ref PayloadReader reader) => reader.ReadUnmanaged<long>() switch
    {
        < 0 => Timeout.InfiniteTimeSpan,
        > int.MaxValue => Longest,
        var milliseconds => TimeSpan.FromMilliseconds(Math.Max(1, milliseconds)),
    };

    /// <summary>A time in ticks (8), up to 24.8 days.</summary>
    /// <exception cref="InvalidPayloadException">It is another.</exception>
    public static TimeSpan ReadTicks(ref PayloadReader reader) => ReadTicks(reader.ReadUnmanaged<long>());

    /// <summary>The same; negative for none.</summary>
    /// <exception cref="InvalidPayloadException">It is longer.</exception>
    public static TimeSpan ReadLimit(ref PayloadReader reader) => reader.ReadUnmanaged<long>() is var ticks and >= 0 ? ReadTicks(ticks) : Timeout.InfiniteTimeSpan;

    /// <summary>How many at most (4): 1 or more.</summary>
    public static int ReadMost(ref PayloadReader reader) => Math.Max(1, reader.ReadUnmanaged<int>());

    /// <summary>How often (4): 0 or more.</summary>
    public static int ReadTimes(ref PayloadReader reader) => Math.Max(0, reader.ReadUnmanaged<int>());

    /// <summary>One of a set (1).</summary>
    /// <exception cref="InvalidPayloadException">It is none of them.</exception>
    public static T ReadEnum<T>(ref PayloadReader reader)
        where T : struct, Enum
    {
        int number = reader.ReadByte();
        T value = (T)Enum.ToObject(typeof(T), number);
        return Enum.IsDefined(value) ? value : throw new InvalidPayloadException($"{number.ToString(CultureInfo.InvariantCulture)} is no {typeof(T).Name}.");
    }

    private static TimeSpan ReadTicks(long ticks) =>
        ticks >= 0 && ticks <= Longest.Ticks ? new(ticks) : throw new InvalidPayloadException($"A time of {ticks:N0} ticks, where up to {Longest.TotalDays:0} days make sense.");
}
