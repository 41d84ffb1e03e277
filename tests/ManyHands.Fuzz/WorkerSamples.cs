using System.Collections.Immutable;
using System.Numerics;
using ManyHands.Serialization;

namespace ManyHands.Fuzz;

/// <summary>What a hostile worker returns or would have returned: values that together go through every codec there is.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal abstract class WorkerSample
{
    public static readonly WorkerSample[] All =
    [
        new WorkerSample<int>(42), new WorkerSample<bool>(true), new WorkerSample<decimal>(-1.50m), new WorkerSample<DateTime>(DateTime.UnixEpoch), new WorkerSample<DateTimeOffset>(DateTimeOffset.UnixEpoch),
        new WorkerSample<DateOnly>(DateOnly.MaxValue), new WorkerSample<TimeOnly>(TimeOnly.MaxValue), new WorkerSample<System.Text.Rune>(new System.Text.Rune('x')), new WorkerSample<DayOfWeek>(DayOfWeek.Friday), new WorkerSample<Guid>(Guid.Empty),
        new WorkerSample<string?>("text \uD83D"), new WorkerSample<int[]?>([1, 2, 3]), new WorkerSample<bool[]?>([true, false]), new WorkerSample<decimal[]?>([1m, 2.50m]), new WorkerSample<DateTime[]?>([DateTime.MaxValue, default]),
        new WorkerSample<Memory<byte>>(new byte[] { 1, 2, 3 }), new WorkerSample<ReadOnlyMemory<TimeOnly>>(new TimeOnly[] { new(1) }), new WorkerSample<byte[]?>(new byte[60_000]),
        new WorkerSample<Inner?>(new Inner("name", [1.5m, null], new() { ["k"] = DateTimeOffset.UnixEpoch }, new Uri("https://example.org/"))), new WorkerSample<(int, decimal?, string)>((1, 2m, "x")),
        new WorkerSample<List<Dictionary<string, bool[]>>?>([new() { ["a"] = [true] }]), new WorkerSample<ImmutableArray<Complex>>([new(1, 2)]), new WorkerSample<BigInteger>(BigInteger.Pow(7, 50)), new WorkerSample<HashSet<string>?>(["a", "b"]),
        new WorkerSample<SharedArray<int>?>(() => new SharedArray<int>([1, 2, 3])), new WorkerSample<SharedQueue<decimal>?>(static () => new SharedQueue<decimal>()), new WorkerSample<SharedValue<decimal>?>(static () => new SharedValue<decimal>(1m)),
        new WorkerSample<NoResult>(default(NoResult)),
    ];

    // These stand for something of the call and are no results.
    private static readonly Type[] ArgumentsOnly = [typeof(CancellationTokenCodec), typeof(ProgressCodec<>)];

    /// <summary>A codec that no sample goes through isn't tried; whoever adds one adds a sample.</summary>
    public static void RequireEveryCodec()
    {
        HashSet<Type> tried = [.. All.Select(static sample => Definition(sample.Codec.GetType())), .. ArgumentsOnly];
        Type[] left = [.. typeof(Codec).Assembly.GetTypes().Where(static type => !type.IsAbstract && type.BaseType is { IsGenericType: true } parent && parent.GetGenericTypeDefinition() == typeof(Codec<>)).Except(tried)];
        if (left.Length > 0)
            throw new InvalidOperationException($"{nameof(WorkerSample)} has no value for {string.Join(", ", left.Select(static type => type.Name))}.");
    }

    public abstract Codec Codec { get; }

    /// <summary>Has a worker return the value, after it has done its worst.</summary>
    public abstract Task CallAsync(Pool pool, byte[] script, int index, CallOptions options, CancellationToken token);

    /// <summary>The value as it travels.</summary>
    public abstract byte[] Encode();

    /// <summary>The value itself; what it was made of is the worker's own.</summary>
    public abstract object? Make();

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;

    internal sealed record Inner(string Name, List<decimal?> Amounts, Dictionary<string, DateTimeOffset> Times, Uri Address);
}

/// <inheritdoc/>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class WorkerSample<T>(Func<T> make) : WorkerSample
{
    public WorkerSample(T value)
        : this(() => value)
    {
    }

    public override Codec Codec => Codec<T>.Instance;

    public override object? Make() => make();

    public override byte[] Encode()
    {
        using PayloadWriter writer = new();
        T value = make();
        Codec<T>.Instance.Write(writer, value);
        byte[] bytes = writer.WrittenSpan.ToArray();
        (value as IDisposable)?.Dispose();
        return bytes;
    }

    // Whatever came is used: bits that are no value do their harm only then.
    public override async Task CallAsync(Pool pool, byte[] script, int index, CallOptions options, CancellationToken token)
    {
        Receiver receiver = new();
        T result = await pool.RunAsync(HostileWorker.Return<T>, script, index, (IProgress<T>)receiver, options, token).ConfigureAwait(false);
        Use(result);
        (result as IDisposable)?.Dispose();
    }

    private static void Use(object? value)
    {
        switch (value)
        {
            case null or string:
                break;
            case decimal number:
                _ = unchecked(number / 3m) > 7m;
                goto default;
            case DateTime time:
                _ = time.ToString("O");
                goto default;
            case SharedArray<int> array:
                _ = array.Length > 0 ? array[0] : 0;
                break;
            case SharedValue<decimal> shared:
                _ = shared.Value + 1m;
                break;
            case System.Collections.IEnumerable items:
                foreach (object? item in items)
                    Use(item);
                break;
            case System.Runtime.CompilerServices.ITuple tuple:
                for (int i = 0; i < tuple.Length; i++)
                    Use(tuple[i]);
                break;
            case Memory<byte> or ReadOnlyMemory<TimeOnly>:
                _ = value.ToString();
                break;
            default:
                _ = (value.ToString(), value.GetHashCode());
                break;
        }
    }

    private sealed class Receiver : IProgress<T>
    {
        public void Report(T value)
        {
            try
            {
                Use(value);
            }
            finally
            {
                (value as IDisposable)?.Dispose();
            }
        }
    }
}
