using System.Runtime.ExceptionServices;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Exceptions on their way back: read in the worker without trusting them (their getters may throw, their texts may be huge), rebuilt in
/// the caller without loading anything that the worker names.
/// </summary>
internal static class RemoteFailure
{
    private const int DeepestInner = 16;
    private const int MostInner = 64;
    private const int LongestText = 64 * 1024;

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

    public static void Write(PayloadWriter writer, Exception exception) => Write(writer, exception, depth: 0);

    /// <summary>Rebuilds the exception, with the worker's stack in front of whatever stack it gets here.</summary>
    public static Exception Read(ref PayloadReader reader) => Read(ref reader, depth: 0);

    private static void Write(PayloadWriter writer, Exception exception, int depth)
    {
        writer.WriteString(exception.GetType().FullName ?? exception.GetType().Name);
        writer.WriteString(Text(() => exception.Message) ?? "(the exception's message could not be read)");
        writer.WriteString(Stack(exception));
        writer.WriteUnmanaged(exception.HResult);
        writer.WriteString(Text(() => exception switch
        {
            ArgumentException argument => argument.ParamName,
            FileNotFoundException file => file.FileName,
            ObjectDisposedException disposed => disposed.ObjectName,
            RemoteException remote => remote.RemoteType,
            _ => null,
        }));
        writer.WriteString(Text(() => exception is ArgumentOutOfRangeException range ? range.ActualValue?.ToString() : null));

        Exception[] inner = exception switch
        {
            _ when depth >= DeepestInner => [],
            AggregateException aggregate => [.. aggregate.InnerExceptions],
            { InnerException: { } one } => [one],
            _ => [],
        };
        int count = Math.Min(inner.Length, MostInner);
        writer.WriteUnmanaged(count);
        for (int i = 0; i < count; i++)
            Write(writer, inner[i], depth + 1);
    }

    private static Exception Read(ref PayloadReader reader, int depth)
    {
        if (depth > DeepestInner)
            throw new InvalidPayloadException("An exception with more levels of inner exceptions than any is written with.");
        string type = reader.ReadRequiredString();
        string message = reader.ReadRequiredString();
        string? stack = reader.ReadString();
        int hresult = reader.ReadUnmanaged<int>();
        string? detail = reader.ReadString();
        string? actualValue = reader.ReadString();
        Exception[] inner = new Exception[reader.ReadCount(bytesEach: 16)];
        for (int i = 0; i < inner.Length; i++)
            inner[i] = Read(ref reader, depth + 1);

        Exception rebuilt = Rebuild(type, message, stack, detail, actualValue, inner);
        if (rebuilt is not RemoteException)
            rebuilt.HResult = hresult;
        if (!string.IsNullOrEmpty(stack))
            ExceptionDispatchInfo.SetRemoteStackTrace(rebuilt, stack + Environment.NewLine + "--- End of the stack in the worker ---");
        return rebuilt;
    }

    private static Exception Rebuild(string type, string message, string? stack, string? detail, string? actualValue, Exception[] inner)
    {
        Exception? first = inner.Length > 0 ? inner[0] : null;
        switch (type)
        {
            case "System.AggregateException":
                return new AggregateException(WithoutInnerMessages(message, inner), inner);
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

    // An AggregateException's message ends with "(first message) (second message)", which its constructor will add again.
    private static string WithoutInnerMessages(string message, Exception[] inner)
    {
        // As they were where it was thrown; or, if it has crossed a boundary before, as they are since.
        string first = string.Concat(inner.Select(one => $" ({(one is RemoteException remote ? remote.RemoteMessage : one.Message)})"));
        string later = string.Concat(inner.Select(one => $" ({one.Message})"));
        foreach (string suffix in (string[])[first, later])
        {
            if (suffix.Length > 0 && message.EndsWith(suffix, StringComparison.Ordinal))
                return message[..^suffix.Length];
        }

        return message;
    }

    private static string? Stack(Exception exception)
    {
        if (exception is RemoteException { RemoteStackTrace: { } remote })
            return Cut(remote);
        return Text(() => exception.StackTrace);
    }

    // The exception is user code: any of its properties may throw, or return more than anyone wants to read.
    private static string? Text(Func<string?> read)
    {
        try
        {
            return Cut(read());
        }
        catch (Exception failure)
        {
            return $"(could not be read: {failure.GetType().Name})";
        }
    }

    private static string? Cut(string? text) =>
        text is { Length: > LongestText } ? string.Concat(text.AsSpan(0, LongestText), $"… ({text.Length:N0} characters in all)") : text;
}
