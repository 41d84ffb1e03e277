using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace ManyHands.Managers;

/// <summary>Python's values as texts, much as <c>repr</c> has them; cut off where they get long or deep, and so finite for what contains itself.</summary>
internal static class PythonText
{
    private const int LongestText = 1000;
    private const int Deepest = 20;

    public static string Of(object? value)
    {
        StringBuilder text = new();
        Append(text, value, 0);
        if (text.Length <= LongestText)
            return text.ToString();
        return $"{text.ToString(0, LongestText)}…";
    }

    /// <summary>What Python calls the type of this value.</summary>
    public static string TypeOf(object? value) => value switch
    {
        null => "None",
        bool => "bool",
        string => "str",
        long or int or BigInteger => "int",
        double or float => "float",
        byte[] => "bytes",
        PythonByteArray bytes => bytes.IsArray ? "array" : "bytearray",
        PythonTuple => "tuple",
        List<object?> => "list",
        PythonDictionary dictionary => dictionary.IsOrdered ? "OrderedDict" : dictionary.HasDefaults ? "defaultdict" : "dict",
        PythonSet set => set.IsFrozen ? "frozenset" : "set",
        Complex => "complex",
        PythonSlice => "slice",
        PythonRange => "range",
        PythonIterator => "list_iterator",
        decimal or PythonDecimal => "Decimal",
        DateTime or DateTimeOffset or PythonDateTime => "datetime",
        DateOnly => "date",
        TimeOnly or PythonTime => "time",
        TimeSpan => "timedelta",
        Guid => "UUID",
        Array => "array",
        PythonError error => error.Type,
        PythonToken => "Token",
        PythonProxyReference proxy => proxy.ProxyType,
        _ => value.GetType().Name,
    };

    private static void Append(StringBuilder text, object? value, int depth)
    {
        if (text.Length > LongestText)
            return;
        if (depth > Deepest)
        {
            text.Append("...");
            return;
        }

        switch (value)
        {
            case null: text.Append("None"); break;
            case bool truth: text.Append(truth ? "True" : "False"); break;
            case string words: text.Append('\'').Append(words.AsSpan(0, Math.Min(words.Length, LongestText))).Append('\''); break;

            // Writing a number of a million digits takes minutes.
            case BigInteger number when number.GetByteCount() > LongestText / 2: text.Append(CultureInfo.InvariantCulture, $"int of {number.GetByteCount():N0} bytes"); break;
            case byte[] bytes: text.Append("b'").Append(Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, LongestText)))).Append('\''); break;
            case PythonTuple tuple: AppendItems(text, '(', tuple, ')', depth); break;
            case List<object?> list: AppendItems(text, '[', list, ']', depth); break;
            case PythonSet set: AppendItems(text, '{', set, '}', depth); break;
            case PythonDictionary dictionary: AppendEntries(text, dictionary, depth); break;
            case PythonSlice slice: AppendItems(text.Append("slice"), '(', new[] { slice.Start, slice.Stop, slice.Step }, ')', depth); break;
            case PythonIterator iterator: AppendItems(text.Append("iter"), '(', new[] { iterator.Items }, ')', depth); break;
            case PythonError error: AppendItems(text.Append(error.Type), '(', error.Arguments, ')', depth); break;
            case double number: text.Append(OfReal(number)); break;
            case Array array: text.Append(CultureInfo.InvariantCulture, $"array of {array.Length:N0}"); break;
            default: text.Append(CultureInfo.InvariantCulture, $"{value}"); break;
        }
    }

    private static string OfReal(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        return double.IsFinite(number) ? text.AsSpan().ContainsAny('.', 'E') ? text.Replace('E', 'e') : $"{text}.0" : double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
    }

    private static void AppendItems(StringBuilder text, char open, IEnumerable items, char close, int depth)
    {
        text.Append(open);
        bool isFirst = true;
        foreach (object? item in items)
        {
            if (text.Length > LongestText)
                return;
            if (!isFirst)
                text.Append(", ");
            isFirst = false;
            Append(text, item, depth + 1);
        }

        text.Append(close);
    }

    private static void AppendEntries(StringBuilder text, PythonDictionary dictionary, int depth)
    {
        text.Append('{');
        bool isFirst = true;
        foreach ((object? key, object? value) in dictionary)
        {
            if (text.Length > LongestText)
                return;
            if (!isFirst)
                text.Append(", ");
            isFirst = false;
            Append(text, key, depth + 1);
            text.Append(": ");
            Append(text, value, depth + 1);
        }

        text.Append('}');
    }
}
