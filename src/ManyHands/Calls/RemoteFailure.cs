using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Exceptions on their way back: read in the worker without trusting them (their getters may throw, their texts may be huge), rebuilt in
/// the caller without loading anything that the worker names.
/// </summary>
/// <remarks>
/// What is too much is left out, and says so in its place: texts end in their length, and an exception of the type <see cref="LeftOut"/> stands for inner ones beyond the bounds.
/// </remarks>
internal static class RemoteFailure
{
    /// <summary>How many levels of inner exceptions travel.</summary>
    public const int DeepestInner = 16;

    /// <summary>How many inner exceptions of one exception travel.</summary>
    public const int MostInner = 64;

    /// <summary>How many exceptions travel in all, placeholders apart.</summary>
    public const int MostExceptions = 512;

    /// <summary>How many characters of a text travel, and at most half of what is left of <see cref="LongestInAll"/>.</summary>
    public const int LongestText = 64 * 1024;

    /// <summary>How many characters of all texts of a failure travel, but for the first <see cref="ShortText"/> of each.</summary>
    public const int LongestInAll = 1024 * 1024;

    /// <summary>How many characters of a text travel in any case.</summary>
    public const int ShortText = 64;

    /// <summary>How many entries of <see cref="Exception.Data"/> travel.</summary>
    public const int MostData = 32;

    private const string LeftOut = "(left out)";
    private const int MostCounted = 100_000;
    private const int DeepestRead = DeepestInner + 1;
    private static readonly nint PlainMessage = typeof(Exception).GetProperty(nameof(Exception.Message))!.GetMethod!.MethodHandle.GetFunctionPointer();

    private enum DataKind : byte
    {
        Null,
        Text,
        Boolean,
        Int32,
        Int64,
        Double,
    }

#pragma warning disable CA2201 // These types aren't thrown of our own accord: a worker's function threw them, and its caller gets what it threw.
    /// <summary>The exceptions of .NET that are rebuilt as themselves: their public constructors take all that matters.</summary>
    private static readonly Dictionary<string, Func<string, Exception?, Exception>> Rebuilders = new()
    {
        [typeof(Exception).FullName!] = (m, i) => new Exception(m, i),
        [typeof(SystemException).FullName!] = (m, i) => new SystemException(m, i),
        [typeof(ApplicationException).FullName!] = (m, i) => new ApplicationException(m, i),
        [typeof(ArithmeticException).FullName!] = (m, i) => new ArithmeticException(m, i),
        [typeof(ArrayTypeMismatchException).FullName!] = (m, i) => new ArrayTypeMismatchException(m, i),
        [typeof(DivideByZeroException).FullName!] = (m, i) => new DivideByZeroException(m, i),
        [typeof(OverflowException).FullName!] = (m, i) => new OverflowException(m, i),
        [typeof(FormatException).FullName!] = (m, i) => new FormatException(m, i),
        [typeof(IndexOutOfRangeException).FullName!] = (m, i) => new IndexOutOfRangeException(m, i),
        [typeof(InvalidCastException).FullName!] = (m, i) => new InvalidCastException(m, i),
        [typeof(InvalidOperationException).FullName!] = (m, i) => new InvalidOperationException(m, i),
        [typeof(InvalidDataException).FullName!] = (m, i) => new InvalidDataException(m, i),
        [typeof(KeyNotFoundException).FullName!] = (m, i) => new KeyNotFoundException(m, i),
        [typeof(NotImplementedException).FullName!] = (m, i) => new NotImplementedException(m, i),
        [typeof(NotSupportedException).FullName!] = (m, i) => new NotSupportedException(m, i),
        [typeof(PlatformNotSupportedException).FullName!] = (m, i) => new PlatformNotSupportedException(m, i),
        [typeof(NullReferenceException).FullName!] = (m, i) => new NullReferenceException(m, i),
        [typeof(OperationCanceledException).FullName!] = (m, i) => new OperationCanceledException(m, i),
        [typeof(TaskCanceledException).FullName!] = (m, i) => new TaskCanceledException(m, i),
        [typeof(OutOfMemoryException).FullName!] = (m, i) => new OutOfMemoryException(m, i),
        [typeof(InsufficientExecutionStackException).FullName!] = (m, i) => new InsufficientExecutionStackException(m, i),
        [typeof(RankException).FullName!] = (m, i) => new RankException(m, i),
        [typeof(TimeoutException).FullName!] = (m, i) => new TimeoutException(m, i),
        [typeof(UnauthorizedAccessException).FullName!] = (m, i) => new UnauthorizedAccessException(m, i),
        [typeof(IOException).FullName!] = (m, i) => new IOException(m, i),
        [typeof(DirectoryNotFoundException).FullName!] = (m, i) => new DirectoryNotFoundException(m, i),
        [typeof(EndOfStreamException).FullName!] = (m, i) => new EndOfStreamException(m, i),
        [typeof(PathTooLongException).FullName!] = (m, i) => new PathTooLongException(m, i),
        [typeof(DriveNotFoundException).FullName!] = (m, i) => new DriveNotFoundException(m, i),
        [typeof(System.Security.SecurityException).FullName!] = (m, i) => new System.Security.SecurityException(m, i),
        [typeof(System.Security.Cryptography.CryptographicException).FullName!] = (m, i) => new System.Security.Cryptography.CryptographicException(m, i),
        [typeof(DllNotFoundException).FullName!] = (m, i) => new DllNotFoundException(m, i),
        [typeof(EntryPointNotFoundException).FullName!] = (m, i) => new EntryPointNotFoundException(m, i),
        [typeof(TypeLoadException).FullName!] = (m, i) => new TypeLoadException(m, i),
        [typeof(BadImageFormatException).FullName!] = (m, i) => new BadImageFormatException(m, i),
        [typeof(System.Text.Json.JsonException).FullName!] = (m, i) => new System.Text.Json.JsonException(m, i),
        [typeof(System.Xml.XmlException).FullName!] = (m, i) => new System.Xml.XmlException(m, i),
        [typeof(SynchronizationLockException).FullName!] = (m, i) => new SynchronizationLockException(m, i),
        [typeof(UriFormatException).FullName!] = (m, i) => new UriFormatException(m, i),
    };
#pragma warning restore CA2201

    public static void Write(PayloadWriter writer, Exception exception)
    {
        Budget budget = new();
        Write(writer, exception, budget, depth: 0);
    }

    /// <summary>Rebuilds the exception, with the worker's stack in front of whatever stack it gets here.</summary>
    public static Exception Read(ref PayloadReader reader) => Read(ref reader, depth: 0);

    private static void Write(PayloadWriter writer, Exception exception, Budget budget, int depth)
    {
        budget.Exceptions--;
        Exception[] inner = InnerOf(exception);
        WriteOwn(writer, exception, budget);
        int count = writer.Length;
        writer.WriteUnmanaged(0);
        int sent = 0;
        while (sent < inner.Length && sent < MostInner && depth < DeepestInner && budget.Exceptions > 0)
            Write(writer, inner[sent++], budget, depth + 1);
        bool isWhole = sent == inner.Length;
        if (!isWhole)
            WritePlaceholder(writer, inner.AsSpan(sent));
        writer.PatchInt32(count, isWhole ? sent : sent + 1);
    }

    private static void WriteOwn(PayloadWriter writer, Exception exception, Budget budget)
    {
        writer.WriteString(budget.Cut(exception.GetType().FullName ?? exception.GetType().Name));
        writer.WriteString(Text(() => MessageOf(exception), budget) ?? "(the exception has no message)");
        writer.WriteString(Text(() => exception is RemoteException { RemoteStackTrace: { } remote } ? remote : exception.StackTrace, budget));
        writer.WriteUnmanaged(exception.HResult);
        writer.WriteString(Text(() => exception switch
        {
            ArgumentException argument => argument.ParamName,
            FileNotFoundException file => file.FileName,
            ObjectDisposedException disposed => disposed.ObjectName,
            RemoteException remote => remote.RemoteType,
            _ => null,
        }, budget));
        writer.WriteString(Text(() => exception is ArgumentOutOfRangeException range ? range.ActualValue?.ToString() : null, budget));
        WriteData(writer, exception, budget);
    }

    // An exception like the others, so that who reads the inner ones meets it in their place.
    private static void WritePlaceholder(PayloadWriter writer, ReadOnlySpan<Exception> left)
    {
        int count = Count(left);
        writer.WriteString(LeftOut);
        writer.WriteString(
            $"{(count >= MostCounted ? "more than " : "")}{count:N0} more inner {(count == 1 ? "exception was" : "exceptions were")} left out on the way from the worker: "
            + $"{MostInner} of one exception, {DeepestInner} levels and {MostExceptions} in all travel. The first of them: {left[0].GetType().FullName}");
        writer.WriteString(null);
        writer.WriteUnmanaged(0);
        writer.WriteString(null);
        writer.WriteString(null);
        writer.WriteUnmanaged(0);
        writer.WriteUnmanaged(0);
    }

    private static int Count(ReadOnlySpan<Exception> exceptions)
    {
        Stack<Exception> open = new(exceptions.ToArray());
        int count = 0;
        while (count < MostCounted && open.TryPop(out Exception? one))
        {
            count++;
            Array.ForEach(InnerOf(one), open.Push);
        }

        return count;
    }

    private static Exception[] InnerOf(Exception exception) => exception switch
    {
        AggregateException aggregate => [.. aggregate.InnerExceptions],
        { InnerException: { } one } => [one],
        _ => [],
    };

    private static void WriteData(PayloadWriter writer, Exception exception, Budget budget)
    {
        List<(string Key, object? Value)> entries = [];
        try
        {
            foreach (DictionaryEntry entry in exception.Data)
            {
                if (entries.Count == MostData)
                {
                    entries.Add((LeftOut, $"{exception.Data.Count - MostData:N0} more entries of {exception.Data.Count:N0}"));
                    break;
                }

                entries.Add((Text(entry.Key.ToString, budget) ?? "", entry.Value));
            }
        }
        catch (Exception failure)
        {
            entries.Add((LeftOut, $"(could not be read: {failure.GetType().Name})"));
        }

        writer.WriteUnmanaged(entries.Count);
        foreach ((string key, object? value) in entries)
        {
            writer.WriteString(key);
            WriteDataValue(writer, value, budget);
        }
    }

    private static void WriteDataValue(PayloadWriter writer, object? value, Budget budget)
    {
        switch (value)
        {
            case null: Kind(DataKind.Null); break;
            case bool one: Kind(DataKind.Boolean); writer.WriteByte(one ? (byte)1 : (byte)0); break;
            case int one: Kind(DataKind.Int32); writer.WriteUnmanaged(one); break;
            case long one: Kind(DataKind.Int64); writer.WriteUnmanaged(one); break;
            case double one: Kind(DataKind.Double); writer.WriteUnmanaged(one); break;
            case string text: Kind(DataKind.Text); writer.WriteString(budget.Cut(text)); break;

            // Of all else a text that says what it was.
            default: Kind(DataKind.Text); writer.WriteString(Text(() => $"{value} ({value.GetType().FullName})", budget)); break;
        }

        void Kind(DataKind kind) => writer.WriteByte((byte)kind);
    }

    private static Exception Read(ref PayloadReader reader, int depth)
    {
        if (depth > DeepestRead)
            throw new InvalidPayloadException("An exception with more levels of inner exceptions than any is written with.");
        string type = reader.ReadRequiredString();
        string message = reader.ReadRequiredString();
        string? stack = reader.ReadString();
        int hresult = reader.ReadUnmanaged<int>();
        string? detail = reader.ReadString();
        string? actualValue = reader.ReadString();
        (string Key, object? Value)[] data = new (string, object?)[reader.ReadCount(bytesEach: sizeof(int) + sizeof(byte))];
        for (int i = 0; i < data.Length; i++)
            data[i] = (reader.ReadRequiredString(), ReadDataValue(ref reader));
        Exception[] inner = new Exception[reader.ReadCount(bytesEach: 16)];
        for (int i = 0; i < inner.Length; i++)
            inner[i] = Read(ref reader, depth + 1);

        Exception rebuilt = Rebuild(type, message, stack, detail, actualValue, inner);
        if (rebuilt is not RemoteException)
            rebuilt.HResult = hresult;
        foreach ((string key, object? value) in data)
            rebuilt.Data[key] = value;
        if (!string.IsNullOrEmpty(stack))
            ExceptionDispatchInfo.SetRemoteStackTrace(rebuilt, stack + Environment.NewLine + "--- End of the stack in the worker ---");
        return rebuilt;
    }

    private static object? ReadDataValue(ref PayloadReader reader) => (DataKind)reader.ReadByte() switch
    {
        DataKind.Null => null,
        DataKind.Text => reader.ReadString(),
        DataKind.Boolean => reader.ReadByte() != 0,
        DataKind.Int32 => reader.ReadUnmanaged<int>(),
        DataKind.Int64 => reader.ReadUnmanaged<long>(),
        DataKind.Double => reader.ReadUnmanaged<double>(),
        DataKind unknown => throw new InvalidPayloadException($"An entry of an exception's data of the unknown kind {(byte)unknown}."),
    };

    private static Exception Rebuild(string type, string message, string? stack, string? detail, string? actualValue, Exception[] inner)
    {
        // Types derived from AggregateException are among those that aren't rebuilt; their inner exceptions are.
        Exception? first = inner.Length > 1 ? new AggregateException(inner) : inner.Length > 0 ? inner[0] : null;
        switch (type)
        {
            case "System.AggregateException":
                return new AggregateException(message, inner);
            case "System.ArgumentException":
                return Argument((m, p) => new ArgumentException(m, p, first), m => new ArgumentException(m, first));
            case "System.ArgumentNullException":
                return Argument((m, p) => new ArgumentNullException(p, m), m => new ArgumentNullException(m, first));
            case "System.ArgumentOutOfRangeException":
                return Argument((m, p) => new ArgumentOutOfRangeException(p, actualValue, m), m => new ArgumentOutOfRangeException(m, first));
            case "System.IO.FileNotFoundException":
                return new FileNotFoundException(message, detail, first);
            case "System.ObjectDisposedException":
                return detail is { Length: > 0 } && message.Split('\n')[0].TrimEnd() is var line
                    ? new ObjectDisposedException(detail, line)
                    : new ObjectDisposedException(message, first);
            case "ManyHands.RemoteException" when detail is not null:
                // It crossed a boundary before; the type that counts is the one it had at its origin.
                return new RemoteException(detail, message.StartsWith(detail + ": ", StringComparison.Ordinal) ? message[(detail.Length + 2)..] : message, stack, first);
            default:
                return Rebuilders.TryGetValue(type, out Func<string, Exception?, Exception>? rebuild)
                    ? rebuild(message, first)
                    : new RemoteException(type, message, stack, first);
        }

        // These add the parameter's name and value to the message themselves; taking them off again leaves what the constructor was given.
        Exception Argument(Func<string, string, Exception> named, Func<string, Exception> unnamed)
        {
            string? suffix = detail is { Length: > 0 } ? $" (Parameter '{detail}')" : null;
            int at = suffix is null ? -1 : message.IndexOf(suffix, StringComparison.Ordinal);
            return at < 0 ? unnamed(message) : named(message[..at], detail!);
        }
    }

    // An AggregateException's message ends with those of its inner exceptions, which the constructor adds again. What it was given is what its base class says.
    private static unsafe string MessageOf(Exception exception) =>
        exception.GetType() == typeof(AggregateException) ? ((delegate*<Exception, string>)PlainMessage)(exception) : exception.Message;

    // The exception is user code: any of its properties may throw, or return more than anyone wants to read.
    private static string? Text(Func<string?> read, Budget budget)
    {
        try
        {
            return budget.Cut(read());
        }
        catch (Exception failure)
        {
            return $"(could not be read: {failure.GetType().Name})";
        }
    }

    /// <summary>How much of a failure may still be written.</summary>
    private sealed class Budget
    {
        private int characters = LongestInAll;

        public int Exceptions { get; set; } = MostExceptions;

        [return: NotNullIfNotNull(nameof(text))]
        public string? Cut(string? text)
        {
            if (text is null)
                return null;
            int longest = Math.Clamp(characters / 2, ShortText, LongestText);
            string cut = text.Length > longest ? string.Concat(text.AsSpan(0, longest), $"… ({text.Length:N0} characters in all)") : text;
            characters = Math.Max(0, characters - cut.Length);
            return cut;
        }
    }
}
